"""One arm of a duet, `python -m vitbench.duet.worker`: it prepares, loads and calls cases.

It reads a line of JSON a request, `{"verb": ..., ...}`, and answers with a line
(duet/conversation.py). Base and head may run different versions of this file: the first request
is `hello`, whose answer has the version.

Protocol history; both ends must speak the same.
  1  hello, prepare, load, turn, drop, operators, extra. (Later: the answer to hello names the
     options that this end knows. An end that does not name them refuses others by a TypeError.
     Later: contents, and `labels` in the answer to prepare; structure; `trees` in a request.)
"""

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from vitbench import __version__, environment, variables
from vitbench.build.strays import Strays
from vitbench.case import Case
from vitbench.duet.planted import extra_work, with_extra
from vitbench.duet.serving import say, serve
from vitbench.errors import Unavailable, UserError
from vitbench.measure.clock import BusyClock
from vitbench.measure.outputs import Reading, Witness, one_of_each
from vitbench.measure.verification import answers_of
from vitbench.runtimes import Deployment, load, operators, placement_of, structure

PROTOCOL = 1
VERBS = ("hello", "prepare", "load", "turn", "drop", "contents", "operators", "structure", "extra")


class Arm:
    """Answers requests. Holds at most one loaded case, so that memory is that of one."""

    def __init__(self) -> None:
        self._clock = BusyClock()
        self._loaded: tuple[Deployment, Any, Witness, Iterator[bool]] | None = None
        self._session: Any = None
        self._records = False

    def hello(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Who this is. The options of a session, if any, are kept for `prepare`; its `trees` are
        those of Strays."""
        from vitbench.measure.options import Options

        if request.get("options"):
            from vitbench.measure.session import Session

            options, trees = Options.from_json(request["options"]), request.get("trees")
            self._session = Session(options, say, trees=trees)
        return {
            "protocol": PROTOCOL,
            "options": Options.names(),
            "vitbench": __version__,
            "versions": environment.versions(),
            "variables": variables.of_measurements(),
        }

    def prepare(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Build and verify a case. Its images and their verified logits go to `folder`; the answer
        has what `load` needs. Raises Incomparable where it imports from the other of `trees`, and
        WrongOutputs where it remembers what it answered."""
        import numpy as np

        from vitbench.measure.measuring import refuse_memory

        case, session = Case.parse(request["case"]), self._session
        strays = Strays(request.get("trees"))
        if case.variant not in session.catalogue.names:
            raise Unavailable(f"there is no variant {case.variant!r} in this version")
        # What the network imports from the other tree is refused before the cache keeps any of it.
        model, recipe = session.model(case.model), session.recipe(case)
        strays.refuse(model.architecture, recipe.transform)
        verification = session.verify(case)
        if verification.agreement.state != "BROKEN":
            refuse_memory(session, case)
        artifact, sample = session.artifact(case), session.sample(case.model)
        own, truth, tolerance = answers_of(verification, sample.ids, recipe.limits)
        images = Path(request["folder"]) / f"{case.model}-b{case.batch}.npy"
        if not images.exists():
            np.save(images, session.first_batch(case))
        verified = images.with_name(f"{images.stem}-{case.variant}-{case.device}".replace(":", "-"))
        np.save(f"{verified}.npy", verification.first_output)
        placement = session.placement(case)
        strays.refuse(model.architecture, recipe.transform)
        return {
            "load": {
                **placement.to_json(),
                "trees": request.get("trees"),
                "images": str(images),
                "case": case.id,
                "verified": f"{verified}.npy",
                "reading": asdict(Reading.of(verification.measured)),
            },
            "artifact": {
                "sha256": artifact.sha256,
                "bytes": artifact.bytes,
                **artifact.transform,
            },
            "weights": model.weights.sha256,
            "labels": _labels(model.labels, session.options.labels),
            "agreement": verification.agreement.to_json(),
            "predictions": {
                "sample": sample.sha256,
                "files": sample.files_sha256,
                "ids": list(sample.ids),
                "top1": own,
                "truth": truth,
                "tolerance": tolerance,
            },
        }

    def load(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Load a prepared case and warm it up: three calls, or two where those take a second.

        `extra` units of real work are planted into each call (0: none). Raises WrongOutputs where
        the case does not answer what was verified, Incomparable as `prepare`. `seed` draws the
        turns that are compared, too.
        """
        if self._records:
            raise UserError("this worker records what is opened: it times nothing")
        self._loaded, strays = None, Strays(request.get("trees"))
        deployment, images = self._deployment(request)
        deployment = with_extra(deployment, request.get("extra", 0))
        witness, answers = _witness(request), []
        with deployment.active():
            staged = deployment.stage(images)
            taken: list[float] = []
            while len(taken) < 3 and (len(taken) < 2 or sum(taken) < 1.0):
                output, seconds = self._clock.call(deployment, staged)
                taken.append(seconds)
                answers.append(deployment.read(output))
        placement = placement_of(request)
        strays.refuse(placement.architecture, placement.variant.transform)
        witness.begin(answers)
        self._loaded = deployment, staged, witness, one_of_each(6, request.get("seed", 0))
        return {"seconds": min(taken)}

    def turn(self, _: Mapping[str, Any]) -> dict[str, float]:
        """Seconds of one call, which follows an untimed one: the other arms took the caches.

        Raises WrongOutputs where its output was drawn and is not the verified one.
        """
        if self._loaded is None:
            raise UserError("no case is loaded: send `load` first")
        deployment, staged, witness, drawn = self._loaded
        with deployment.active():
            deployment(staged)
            output, seconds = self._clock.call(deployment, staged)
            if next(drawn):
                witness.see(deployment.read(output), "in a timed turn")
        return {"seconds": seconds}

    def drop(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """Forget the loaded case. The answer says what was compared of its outputs."""
        loaded, self._loaded = self._loaded, None
        return {"outputs": loaded[2].to_json()} if loaded else {}

    def contents(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """All that decides how a prepared case executes (contents.py): it is loaded and called
        three times, recorded. The recorder slows what follows, so this worker loads no case for
        timing any more."""
        from vitbench.duet.contents.contents import answers_of_calls, contents_of

        def answers() -> Any:
            deployment, images = self._deployment(request)
            return answers_of_calls(lambda: deployment.logits(images))

        self._records = True
        return contents_of(request, answers)

    def operators(self, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Where the time of one call of a prepared case goes, the slowest operator first."""
        return [asdict(each) for each in operators(placement_of(request), _images(request))]

    def structure(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """What one call of a prepared case executes, counted. Raises Unavailable with the reason.

        `artifact_bytes` is the size that `prepare` answered.
        """
        found = structure(placement_of(request), _images(request), request["artifact_bytes"])
        return found.to_json()

    def extra(self, request: Mapping[str, Any]) -> dict[str, int]:
        """How many units of extra work make a prepared case `share` slower, measured in turns."""
        deployment, images = self._deployment(request)
        calls, units = [], []
        with deployment.active():
            staged = deployment.stage(images)
            for _ in range(20):
                deployment(staged)
                calls.append(self._clock.call(deployment, staged)[1])
                units.append(self._clock.time(lambda: extra_work(100)) / 100)
        return {"units": max(1, round(request["share"] * median(calls) / median(units)))}

    def _deployment(self, request: Mapping[str, Any]) -> tuple[Deployment, Any]:
        return load(placement_of(request)), _images(request)


def _images(request: Mapping[str, Any]) -> Any:
    """The images (N, 3, H, W) that `prepare` wrote."""
    import numpy as np

    return np.load(request["images"], allow_pickle=False)


def _labels(labels: Sequence[Any], file: Path | None) -> str:
    """Digest of a model's labels, and of the file of `--labels`."""
    found = hashlib.sha256(json.dumps([asdict(each) for each in labels]).encode())
    found.update(file.read_bytes() if file else b"")
    return found.hexdigest()


def _witness(request: Mapping[str, Any]) -> Witness:
    """Who compares outputs with the verified ones, from what `prepare` answered."""
    import numpy as np

    verified = np.load(request["verified"], allow_pickle=False)
    limits = placement_of(request).variant.limits
    reading = Reading(**request.get("reading", {}))
    return Witness(request["case"], verified, limits, request["device"], reading)


def main() -> int:
    """Answer requests until stdin ends."""
    arm = Arm()
    return serve({name: getattr(arm, name) for name in VERBS})


if __name__ == "__main__":
    sys.exit(main())
