"""The script for a machine with a GPU: limits, order and what is left when it is cut off."""

import json
import signal
import subprocess
import sys
import tarfile
import zipfile
from time import monotonic

import pytest

from tests.cuda import run, wheels
from tests.cuda.steps import COPY, CPU, CUDA, PLANS, Step, steps
from vitbench.place import CHECKOUT
from vitbench.runtimes import VARIANTS

# Writes a report after each of two cases, as the suite does, and then sleeps.
CASES = """
import os, sys, time
from pathlib import Path
folder = Path(sys.argv[1]) / "reports/tiny"
folder.mkdir(parents=True)
for case in "12":
    (folder / ".new").write_text(case * 10)
    os.replace(folder / ".new", folder / "report.json")
print("two cases", flush=True)
time.sleep(float(sys.argv[2]))
"""


def python(code, *arguments):
    return (sys.executable, "-c", code, *map(str, arguments))


@pytest.fixture
def play(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "LEAST_SECONDS", 0.05)
    monkeypatch.setattr(run, "GRACE_SECONDS", 20.0)
    monkeypatch.setattr(run, "KEEP_SECONDS", 0.1)
    (tmp_path / "out").mkdir()

    def go(*todo, budget=60.0):
        said = []
        found = run.play(todo, tmp_path / "work", tmp_path / "out", budget, {}, said.append)
        return found, said

    return go


def test_a_step_that_fails_leaves_the_others(play, tmp_path):
    found, said = play(
        Step("one", 30, (python("print('bad'); raise SystemExit(3)"), python("pass\npass"))),
        Step("two", 30, (("no-such-program",),)),
        Step("three", 30, (python("print('well')"),)),
    )
    assert [(each.step, each.state, each.codes) for each in found] == [
        ("one", "failed", (3, 0)), ("two", "failed", (127,)), ("three", "done", (0,)),
    ]  # fmt: skip
    assert found[0].last == ("bad", "")
    assert "three: done after" in said[-1]
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert [each["state"] for each in summary] == ["failed", "failed", "done"]


def test_a_step_at_its_limit_is_stopped_and_its_reports_are_kept(play, tmp_path):
    start = monotonic()
    long = Step("tiny", 2.5, (python(CASES, tmp_path / "work", 100), python("print('never')")))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as where a shell runs it behind a &
    try:
        found, _ = play(long, Step("next", 30, (python("print('well')"),)))
    finally:
        signal.signal(signal.SIGINT, before)
    assert monotonic() - start < 30
    assert [(each.state, each.last) for each in found] == [
        ("stopped", ("KeyboardInterrupt",)), ("done", ("well",)),
    ]  # fmt: skip
    with tarfile.open(tmp_path / "out/reports.tar.gz") as archive:
        names = archive.getnames()
        report = archive.extractfile("reports/tiny/report.json").read()
    assert report == b"2" * 10
    assert {"logs/tiny.txt", "logs/next.txt"} <= set(names)
    assert not [name for name in names if "/." in name]


def test_what_ignores_the_request_to_stop_is_ended(play, monkeypatch):
    monkeypatch.setattr(run, "GRACE_SECONDS", 0.2)
    deaf = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(100)"
    found, _ = play(Step("deaf", 1.5, (python(deaf),)))
    assert (found[0].state, found[0].codes) == ("stopped", (-9,))


def test_no_step_begins_when_the_budget_is_used_up(play):
    found, _ = play(
        Step("one", 30, (python("import time; time.sleep(100)"),)),
        Step("two", 30, (python("print('never')"),)),
        budget=1.0,
    )
    assert [(each.state, each.codes != ()) for each in found] == [
        ("stopped", True), ("no time", False),
    ]  # fmt: skip


def test_a_copy_is_there_while_a_step_runs(play, tmp_path):
    """A machine may be taken away at any moment."""
    look = f"""
import time
from pathlib import Path
for _ in range(200):
    time.sleep(0.05)
    if Path({str(tmp_path / "out/reports.tar.gz")!r}).exists():
        raise SystemExit(0)
raise SystemExit(1)
"""
    assert play(Step("watch", 30, (python(look),)))[0][0].state == "done"


def test_the_steps_name_variants_models_and_options_that_there_are(tmp_path):
    names = {row.name: row.devices for row in VARIANTS}
    documented = (CHECKOUT / "docs/cli.md").read_text("utf-8")  # of all options there are
    for plan in PLANS.values():
        asked = {*plan.variants, *plan.consistency, *plan.compiled, plan.fast, *plan.autotune}
        assert all(plan.device in names[name] for name in asked)
        found = steps(plan, CHECKOUT, tmp_path, tmp_path / "cache")
        assert [each.name for each in found] == [
            "environment", "tiny", "base", "consistency", "compiled", "duet", "profile", "autotune",
        ]  # fmt: skip
        words = [word for step in found for command in step.commands for word in command]
        options = {word.split("=")[0] for word in words if word.startswith("--vitbench-")}
        assert len(options) > 10
        assert {
            each for each in options if f"`{each.replace('vitbench-', '')}" not in documented
        } == set()
        assert all((CHECKOUT / word).is_file() for word in words if word.startswith("benchmarks/"))
    assert sum(step.seconds for step in steps(CUDA, CHECKOUT, tmp_path, None)[:4]) < 570
    assert set(CUDA.seconds) == set(CPU.seconds)


def test_the_base_of_the_duet_is_the_whole_code(tmp_path):
    kept = ("vitbench/build/worker.py", "fixtures/x", "pyproject.toml")
    for name in (*kept, "build/x", "reports/x.json", ".git/HEAD", "vitbench/__pycache__/x.pyc"):
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    subprocess.run(python(COPY, tmp_path / "root", tmp_path / "base"), check=True)
    found = {file.relative_to(tmp_path / "base").as_posix()
             for file in (tmp_path / "base").rglob("*") if file.is_file()}  # fmt: skip
    assert found == set(kept)


def wheel(folder, name, number, text):
    with zipfile.ZipFile(folder / f"{name}-{number}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}.py", text)
        archive.writestr(
            f"{name}-{number}.dist-info/METADATA", f"Name: {name}\nVersion: {number}\n"
        )


def test_wheels_are_unpacked_where_they_are_newer_or_missing(tmp_path):
    wheel(tmp_path, "not_there", "1.0", "answer = 42")
    wheel(tmp_path, "pytest", "999.0", "answer = 43")
    wheel(tmp_path, "numpy", "0.1", "answer = 44")
    site = tmp_path / "site"
    assert wheels.unpack(tmp_path, site) == ["not_there 1.0", "pytest 999.0"]
    code = "import not_there; from importlib.metadata import version; print(version('not_there'))"
    done = subprocess.run(
        python(code), env={"PYTHONPATH": str(site)}, capture_output=True, check=True
    )
    assert done.stdout == b"1.0\n"


def test_what_vitbench_imports_travels_or_is_there():
    """What pyproject.toml asks of the suite, but for what stands in the module's comment."""
    import tomllib

    from packaging.requirements import Requirement

    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]
    texts = project["dependencies"] + project["optional-dependencies"]["suite"]
    there = {"torch", "torchvision", "timm", "transformers", "huggingface-hub", "safetensors",
             "numpy", "scipy", "pillow"}  # fmt: skip
    needed = {Requirement(text).name for text in texts if not text.startswith("vitbench")}
    assert needed - there <= set(wheels.PACKAGES)
    command = wheels.command(CHECKOUT / ".wheels", CHECKOUT / "constraints.txt")
    assert set(wheels.PACKAGES) <= set(command)
