"""Options told to an arm of another version: one that knows fewer of them, or more."""

import json
import shutil
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.conftest import ROOT
from vitbench.duet.conversation import Conversation
from vitbench.duet.handshake import handshake
from vitbench.errors import UserError, WorkerFailed
from vitbench.measure.options import Options
from vitbench.models import ModelSpec
from vitbench.runtimes import variant

SPEC = ModelSpec("m", "timm", "m", None, "timm:m")
OPTIONS = Options(models=(SPEC,), threads=1, cache=Path("c"))
KNOWN = Options.names()
OWN = ModelSpec(
    "own", "py", "acme.vision:deit", None, "py:acme.vision:deit", args={"depth": 2},
    preprocessing={"mean": [0.5, 0.5, 0.5], "crop_pct": 1.0}, labels=("cat", "dog"),
    head="multi-label", threshold=0.3,
)  # fmt: skip

ROW = replace(
    variant("ort-int8-static"), name="acme", transform="acme.quant:f", origin="pyproject.toml"
)


class Arm:
    """The other end: it knows `names` and wants `more`, and says so or, of old, does not."""

    def __init__(self, names=KNOWN, says=True, more="", protocol=1):
        self.names, self.says, self.more, self.protocol = names, says, more, protocol
        self.got = None

    def ask(self, request, _):
        options = request["options"]
        if options:
            parts = [("Options", "", options), ("ModelSpec", "models.", options["models"][0])]
            for kind, prefix, given in parts:
                for name in given:
                    if prefix + name not in self.names:
                        raise WorkerFailed(
                            f"the base worker failed with TypeError: {kind}.__init__() got an "
                            f"unexpected keyword argument '{name}'"
                        )
            if self.more:
                raise WorkerFailed(
                    "the base worker failed with TypeError: Options.__init__() missing 1 required "
                    f"positional argument: '{self.more}'"
                )
            self.got = options
        answer = {"protocol": self.protocol, "vitbench": "0.0.9"}
        return answer | ({"options": self.names} if self.says else {})


def without(*names):
    return [name for name in KNOWN if name not in names]


def test_options_survive_the_trip_to_an_arm():
    for given in (
        OPTIONS,
        replace(OPTIONS, images=Path("a"), calibration=Path("b"), batches=(1, 8), variants=("*",)),
        replace(OPTIONS, models=(OWN,), import_roots=(Path("src"), Path("."))),
        replace(OPTIONS, project_variants=(ROW, variant("fp32"))),
    ):
        assert Options.from_json(json.loads(json.dumps(given.to_json()))) == given


@pytest.mark.parametrize("says", [True, False])
def test_options_that_the_other_end_does_not_know_are_left_out(says):
    arm = Arm(without("calibration", "rebuild"), says)
    assert handshake(arm, "v1", OPTIONS) == {"protocol": 1, "vitbench": "0.0.9"}
    assert set(arm.got) == {name for name in KNOWN if "." not in name} - {"calibration", "rebuild"}
    assert arm.got["models"] == [SPEC.__dict__]


@pytest.mark.parametrize("says", [True, False])
@pytest.mark.parametrize(
    ("unknown", "given", "option"),
    [
        ("calibration", {"calibration": Path("x")}, "--calibration"),
        ("verify_images", {"verify_images": 4}, "--verify-images"),
        ("models.path", {"models": (replace(SPEC, path="x.pth"),)}, "--model"),
        ("variants", {"variants": ("*",)}, "--variant"),
        ("threads", {}, "--threads"),  # it has no default
    ],
)
def test_one_that_is_set_cannot_be_left_out(says, unknown, given, option):
    words = (
        f"v1 \\(vitbench 0.0.9\\) does not know {option}, which is set here: leave the option out"
    )
    with pytest.raises(UserError, match=words):
        handshake(Arm(without(unknown), says), "v1", replace(OPTIONS, **given))


@pytest.mark.parametrize("says", [True, False])
def test_a_project_s_variants_are_left_out_for_an_arm_that_cannot_know_them(says):
    """Their cases are NEW then. Of one that knows other fields, those alone that are not set."""
    given = replace(OPTIONS, project_variants=(ROW,), import_roots=(Path("src"),))
    parts = [name for name in KNOWN if name.startswith("project_variants.")]
    arm = Arm(without("project_variants", "import_roots", *parts), says)
    handshake(arm, "v1", given)
    assert not {"project_variants", "import_roots"} & set(arm.got)
    arm = Arm(without("project_variants.artifact"))
    handshake(arm, "v1", given)
    assert arm.got["project_variants"] == [
        {name: value for name, value in ROW.to_json().items() if name != "artifact"}
    ]
    arm = Arm(without("project_variants.transform"))
    handshake(arm, "v1", given)
    assert arm.got["project_variants"] == []


@pytest.mark.parametrize("says", [True, False])
def test_a_model_of_a_factory_is_refused_for_an_arm_that_calls_none(says):
    older = [name for name in KNOWN if name != "models.source=py"]
    plain = replace(OPTIONS, models=(replace(SPEC, source="py"),))
    with pytest.raises(UserError, match="does not know --model, which is set here"):
        handshake(Arm(older, says), "v1", plain)
    handshake(Arm(), "v1", plain)


def test_an_option_that_is_unknown_here_has_its_default_there():
    """The other end takes what it is told; what is missing has a default."""

    @dataclass(frozen=True, kw_only=True)
    class Newer(Options):
        added: int = 7

    newer = Newer.from_json(OPTIONS.to_json([*KNOWN, "added"]))
    assert (newer.added, newer.threads) == (7, 1)
    arm = Arm([*KNOWN, "added"])
    handshake(arm, "v3", OPTIONS)
    assert "added" not in arm.got


def test_one_that_is_wanted_there_and_unknown_here_is_one_sentence():
    with pytest.raises(UserError, match=r"v1 .* wants options that are unknown here: 'gone'"):
        handshake(Arm(more="gone"), "v1", OPTIONS)


def test_another_failure_is_passed_on():
    class Failing(Arm):
        def ask(self, request, seconds):
            if request["options"]:
                raise WorkerFailed("the base worker failed with KeyError: 'oh'")
            return super().ask(request, seconds)

    with pytest.raises(WorkerFailed, match="KeyError: 'oh'"):
        handshake(Failing(), "v1", OPTIONS)


def test_an_arm_is_told_no_options_where_there_are_none():
    arm = Arm()
    handshake(arm, "v1", None)
    assert arm.got is None
    with pytest.raises(UserError, match="v1 speaks protocol 2 of the duet"):
        handshake(Arm(protocol=2), "v1", OPTIONS)


def test_every_option_that_is_not_always_told_has_a_default():
    """An option added without one cannot be left out for a version that does not know it."""
    assert OPTIONS.set_beyond([]) == ["--model", "--threads", "--cache"]


@pytest.mark.thorough
@pytest.mark.parametrize("says", [True, False])
def test_a_real_arm_without_one_of_todays_options_and_with_one_more(tmp_path, says):
    """A copy of this package whose options are others; an older one does not name them."""
    shutil.copytree(ROOT / "vitbench", tmp_path / "vitbench",
                    ignore=shutil.ignore_patterns("__pycache__", "tests"))  # fmt: skip
    options, arm = (
        tmp_path / "vitbench" / name for name in ("measure/options.py", "duet/worker.py")
    )
    other = "    profile: bool = False\n"
    assert other in options.read_text()
    options.write_text(options.read_text().replace(other, "    added: int = 7\n"))
    if not says:
        names = '            "options": Options.names(),\n'
        assert names in arm.read_text()
        arm.write_text(arm.read_text().replace(names, ""))
    command = (sys.executable, "-P", "-m", "vitbench.duet.worker")
    with Conversation("the base worker", command, tmp_path) as base:
        assert handshake(base, "v1", OPTIONS)["protocol"] == 1
        with pytest.raises(UserError, match="does not know --profile, which is set here"):
            handshake(base, "v1", replace(OPTIONS, profile=True))
