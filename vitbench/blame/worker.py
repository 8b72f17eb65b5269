"""The warm worker of a search, `python -m vitbench.blame.worker`: it builds and measures recipes.

It reads a line of JSON a request, `{"verb": ..., ...}`, and answers with a line
(duet/conversation.py). The model, the images and float32's answers are read once, so a recipe costs
its build and its calls alone; and a build that crashes costs this process, not the search.
"""

import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vitbench.blame.bench import Bench
from vitbench.build.worker import die_before_parent
from vitbench.case import Case
from vitbench.duet.serving import say, serve
from vitbench.errors import UserError


class Service:
    """Answers requests about one case, which the first of them, `open`, names."""

    def __init__(self) -> None:
        self._bench: Bench | None = None

    @property
    def bench(self) -> Bench:
        if self._bench is None:
            raise UserError("no case is open: send `open` first")
        return self._bench

    def open(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The int8 layers of the case, the photographs that its images are cut from, and what a
        user must know of its weights and images. Recipes are built in `folder`."""
        from vitbench.measure.options import Options
        from vitbench.measure.session import Session

        session = Session(Options.from_json(request["options"]), say)
        case = Case.parse(request["case"])
        self._bench = Bench(session, case, Path(request["folder"]))
        layers = self._bench.layers()
        self._bench.read()
        model = session.model(case.model)
        weights = f"{model.weights.origin} weights {model.weights.sha256[:12]}"
        return {
            "layers": layers,
            "clusters": self._bench.sample.clusters,
            "remarks": [
                f"{case.model}: {weights} ({model.weights.note})",
                *(f"{case.model}: {note}" for note in model.notes),
                *session.inputs.remarks(case.model),
            ],
        }

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """A trial, or a refusal."""
        found = self.bench.ask(frozenset(request["floats"]), request["rows"])
        return {
            "kind": type(found).__name__,
            **asdict(found),
            "floats": sorted(found.floats),
        }

    def pair(self, request: Mapping[str, Any]) -> None:
        self.bench.pair(frozenset(request["floats"]))

    def price(self, request: Mapping[str, Any]) -> list[list[float]]:
        return list(self.bench.price(request["seconds"]))


def main() -> int:
    """Answer requests until stdin ends."""
    die_before_parent()
    service = Service()
    verbs = (service.open, service.ask, service.pair, service.price)
    return serve({verb.__name__: verb for verb in verbs})


if __name__ == "__main__":
    sys.exit(main())
