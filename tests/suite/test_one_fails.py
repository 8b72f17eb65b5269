"""An error that nobody foresaw costs its variant: a sentence of predict, package and pytest."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from vitbench.cli import package, predict
from vitbench.cli.codes import BROKEN, OK, USAGE
from vitbench.cli.main import main
from vitbench.errors import Unavailable, WorkerFailed, in_short, with_kind
from vitbench.models.base import Weights
from vitbench.runtimes.catalogue import catalogue_of

pytest_plugins = ["pytester"]
ERRORS = {
    "int8-dynamic": TypeError("linear(): argument 'weight' must be Tensor, not method\nat line 7"),
    "scripted": WorkerFailed("the build worker was killed"),
    "scripted-int8": Unavailable("there is nothing to quantize"),
    "compiled": AttributeError("'function' object has no attribute 'device'"),
}


class Fake:
    """A session whose variants raise what is planted, and else answer class 1."""

    options = SimpleNamespace(models=[SimpleNamespace(name="m")])
    catalogue = catalogue_of()

    def model(self, _):
        return SimpleNamespace(
            weights=Weights("planted", "0" * 64, None, synthetic=False, note="of one kind"),
            labels=[SimpleNamespace(name="cat"), SimpleNamespace(name="dog")],
            notes=(), preprocess=lambda _: np.zeros((3, 8, 8), np.float32),
            head="single-label", threshold=0.5,
        )  # fmt: skip

    def deployment(self, case):
        if case.variant in ERRORS:
            raise ERRORS[case.variant]
        return SimpleNamespace(logits=lambda images: np.array([[0.0, 9.0]] * len(images)))

    verify = deployment

    def artifact(self, _):
        return SimpleNamespace(layers={"quantized_layers": 7, "float_layers": 2})


@pytest.fixture
def photo(tmp_path, monkeypatch):
    for command in (package, predict):
        monkeypatch.setattr(command, "session_of", lambda *_: Fake())
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    return str(tmp_path / "a.png")


def test_predict_goes_on(photo, capsys):
    given = [f"--variant={name}" for name in (*ERRORS, "bf16")]
    assert main(["predict", photo, *given]) == BROKEN
    out = capsys.readouterr().out
    said = {words.split()[0]: words for line in out.splitlines() if (words := line.strip())}
    assert said["int8-dynamic"].endswith(
        "failed: TypeError: linear(): argument 'weight' must be Tensor, not method"
    )
    assert said["scripted"].endswith("failed: the build worker was killed")
    assert said["scripted-int8"].endswith("unavailable: there is nothing to quantize")
    assert "failed: AttributeError: 'function'" in said["compiled"]
    assert said["bf16"].endswith("dog")
    assert "7 of 9 linear layers are int8" in out
    assert "Traceback" not in out


@pytest.mark.parametrize(
    ("origin", "synthetic", "worth"),
    [
        ("checkpoint", False, ""),
        ("bundled", False, "; they know these classes alone, whatever the image shows"),
        ("seeded", True, "; SYNTHETIC: the answer means nothing"),
    ],
)
def test_predict_says_what_the_weights_are_worth(
    photo, monkeypatch, capsys, origin, synthetic, worth
):
    model = Fake().model("m")
    model.weights = replace(model.weights, origin=origin, synthetic=synthetic)
    monkeypatch.setattr(Fake, "model", lambda *_: model)
    assert main(["predict", photo, "--variant=bf16"]) == OK
    heading = capsys.readouterr().out.splitlines()[0]
    assert heading == f"m (2 classes; {origin} weights 000000000000, of one kind{worth})"


def test_predict_without_an_error_is_fine(photo):
    assert main(["predict", photo, "--variant=bf16"]) == OK


@pytest.mark.usefixtures("photo")
@pytest.mark.parametrize("name", ERRORS)
def test_export_says_why_there_is_no_file(tmp_path, capsys, name):
    code = main(["package", name, "--output", str(tmp_path)])
    meant = isinstance(ERRORS[name], Unavailable | WorkerFailed)
    assert code == (USAGE if meant else BROKEN)
    said = capsys.readouterr().err
    assert f"m/{name}/cpu/b1 is not packaged: " in said
    assert in_short(ERRORS[name]) in said
    assert len(said.splitlines()) == 1


def test_in_pytest_it_is_a_failure_and_no_error(pytester):
    pytester.makeconftest(
        """
        import pytest
        from vitbench.plugin.measuring import outcomes
        from vitbench.plugin.recording import recorder_of
        pytest_plugins = [
            "vitbench.plugin.names", "vitbench.plugin.options", "vitbench.plugin.failing",
        ]
        ERRORS = {"typed": TypeError("a first line\\nand another"), "bug": ZeroDivisionError("b")}

        @pytest.fixture
        def agreement(case, request):
            if case.variant == "bug":
                raise ERRORS["bug"]
            with outcomes(case, recorder_of(request.config)):
                if case.variant in ERRORS:
                    raise ERRORS[case.variant]

        def pytest_sessionfinish(session):
            print("recorded", recorder_of(session.config).failed)
        """
    )
    pytester.makepyfile(
        """
        import pytest
        from vitbench.case import Case

        @pytest.mark.measures("consistency", batches=(1,))
        @pytest.mark.parametrize("case", [Case("m", n, "cpu", 1) for n in ("typed", "bug", "fine")])
        def test_agreement(case, agreement):
            pass
        """
    )
    # Libraries of other tests may have lowered the root logger's level in this process.
    result = pytester.runpytest(
        "-pno:cacheprovider", "-pno:vitbench.plugin", "-s", "--log-level=INFO"
    )
    result.assert_outcomes(failed=1, errors=1, passed=1)
    text = result.stdout.str()
    assert "m/typed/cpu/b1: TypeError: a first line and another" in text
    assert "'m/typed/cpu/b1': 'TypeError: a first line and another'" in text
    assert text.count("Traceback") == text.count("outcomes(") == 0


def test_the_first_line_of_an_error_and_more_where_it_is_a_heading():
    assert in_short(ValueError("")) == with_kind(ValueError()) == "ValueError"
    assert in_short(RuntimeError("\n\n  compile error\n  no g++ ")) == "compile error no g++"
    first = "a sentence that is long enough to say what went wrong"
    assert with_kind(TypeError(first + "\nFile x, line 3")) == f"TypeError: {first}"
    assert len(in_short(ValueError("x" * 5000))) == 300
