"""Which words chose fewer cases than the suite has."""

from types import SimpleNamespace

import pytest

from tests.conftest import ROOT
from vitbench import environment
from vitbench.case import Case
from vitbench.plugin import selecting
from vitbench.plugin.cases import cases_of
from vitbench.plugin.options import SESSION
from vitbench.runtimes.catalogue import catalogue_of

ARGS, TESTPATHS = pytest.Config.ArgsSource.ARGS, pytest.Config.ArgsSource.TESTPATHS


def config_of(
    *paths, gone=(), variants=(), batches=(), device="auto", devices=("cpu",),
    testpaths=("benchmarks",), **given,
):  # fmt: skip
    options = SimpleNamespace(
        variants=variants, reference="fp32", batches=batches, device=device,
    )  # fmt: skip
    stash = pytest.Stash()
    stash[SESSION] = SimpleNamespace(options=options, devices=devices, catalogue=catalogue_of())
    option = {"keyword": "", "markexpr": "", "deselect": None, "lf": False, "stepwise": False,
              "ignore": None, "ignore_glob": None, "vitbench_against": None, **given}  # fmt: skip
    config = SimpleNamespace(
        stash=stash, option=SimpleNamespace(**option), rootpath=ROOT, args=list(paths),
        args_source=ARGS if paths else TESTPATHS, getini=lambda _: list(testpaths),
        invocation_params=SimpleNamespace(dir=ROOT),
    )  # fmt: skip
    if gone:
        selecting.pytest_deselected([item(config, name) for name in gone])
    return config


def item(config, name, kind="latency", fixtures=("benchmark", "case")):
    marks = [pytest.mark.measures(kind, batches=(1,)).mark] if kind else []
    return SimpleNamespace(
        config=config, nodeid=name, fixturenames=fixtures, iter_markers=lambda _: marks
    )


@pytest.fixture(autouse=True)
def devices(monkeypatch):
    monkeypatch.setattr(environment, "devices", lambda _: ("cpu",))


@pytest.mark.parametrize(
    "config",
    [
        config_of(),
        config_of("benchmarks"),
        config_of("."),
        config_of(str(ROOT / "benchmarks")),
        config_of("tests", "benchmarks/"),
        config_of("vitbench/benchmarks"),
        config_of("benchmarks", testpaths=["tests"]),
        config_of("benchmarks", testpaths=[]),
        config_of("vitbench.benchmarks", pyargs=True),
        config_of("vitbench", pyargs=True),
        config_of(variants=("*",)),
        config_of(device="cpu"),
        # They took nothing away that is timed.
        config_of(keyword="cpu", markexpr="not slow", deselect=["benchmarks/x.py"], stepwise=True),
        config_of(ignore=["build", "vitbench"], ignore_glob=["*.ipynb"]),
    ],
)
def test_a_run_of_the_whole_suite(config):
    assert selecting.selected(config) == []


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (config_of(gone=["a"], keyword="scripted"), ["-k scripted"]),
        (config_of(gone=["a"], markexpr="fast"), ["-m fast"]),
        (config_of(gone=["a"], deselect=["t.py::a", "b"]), ["--deselect=t.py::a", "--deselect=b"]),
        (config_of(gone=["a"], stepwise=True), ["--stepwise"]),
        (config_of(lf=True), ["--last-failed"]),
        (config_of(gone=["a", "b"]), ["2 cases were deselected by a plugin"]),
        (config_of(variants=("scripted*", "bf16")), ["--variant=scripted*", "--variant=bf16"]),
        (config_of(batches=(1, 64)), ["--batch=1", "--batch=64"]),
        (config_of("benchmarks/test_latency.py"), ["benchmarks/test_latency.py"]),
        (config_of(str(ROOT / "benchmarks/test_latency.py")), ["benchmarks/test_latency.py"]),
        (config_of("benchmarks/test_latency.py::test_latency[a/b/cpu/b1]"),
         ["benchmarks/test_latency.py::test_latency[a/b/cpu/b1]"]),
        (config_of("benchmarks", testpaths=["benchmarks", "tests"]), ["benchmarks"]),
        (config_of("benchmarks/test_latency.py", testpaths=["tests"]),
         ["benchmarks/test_latency.py"]),
        (config_of("tests/unit", testpaths=["tests"]), ["tests/unit"]),
        (config_of(ignore=["benchmarks/test_latency.py"], testpaths=[]),
         ["--ignore=benchmarks/test_latency.py"]),
        (config_of("/elsewhere/secret/test_x.py"), ["test_x.py"]),
        (config_of("vitbench.benchmarks"), ["vitbench.benchmarks"]),
        (config_of("vitbench.benchmarks.test_latency", pyargs=True),
         ["vitbench.benchmarks.test_latency"]),
        (config_of(ignore=["benchmarks/test_throughput.py"]),
         ["--ignore=benchmarks/test_throughput.py"]),
        (config_of(ignore_glob=["*/test_throughput*"]), ["--ignore-glob=*/test_throughput*"]),
        (config_of("benchmarks/test_latency.py", variants=("bf16",), gone=["a"], keyword="cpu"),
         ["benchmarks/test_latency.py", "--variant=bf16", "-k cpu"]),
    ],
)  # fmt: skip
def test_what_leaves_cases_out(config, words):
    assert selecting.selected(config) == words


def test_a_device_that_is_left_out(monkeypatch):
    monkeypatch.setattr(environment, "devices", lambda _: ("cpu", "cuda:0"))
    assert selecting.selected(config_of(device="cpu")) == ["--device=cpu"]
    assert selecting.selected(config_of(devices=("cpu", "cuda:0"))) == []


def test_only_what_is_timed_counts_as_left_out():
    config = config_of(keyword="x")
    others = [item(config, "a", None), item(config, "b", "consistency", ("case",))]
    selecting.pytest_deselected(others)
    assert selecting.selected(config) == []
    config.option.vitbench_against = "main"  # A duet takes all but latency away by itself.
    selecting.pytest_deselected([item(config, "c", "throughput")])
    assert selecting.selected(config) == []
    selecting.pytest_deselected([item(config, "d")])
    assert selecting.selected(config) == ["-k x"]


def test_parameters_of_other_suites_are_no_cases():
    ours = Case("mine", "fp32", "cpu", 1)
    items = [
        SimpleNamespace(callspec=SimpleNamespace(params={"case": case}))
        for case in (["a", "list"], ours, {"a": "dict"}, ours, None)
    ]
    assert cases_of([*items, SimpleNamespace()]) == [ours]
