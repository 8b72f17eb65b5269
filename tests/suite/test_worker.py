"""The process of its own: its protocol, and every way in which it can go wrong."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import bounded, listen
from vitbench.build.ask import ask
from vitbench.errors import Incomparable, Unavailable, UserError, WorkerFailed
from vitbench.runtimes import variant as recipe

ROOT = Path(__file__).parents[2]
REQUEST = {"verb": "build"}


def python(script):
    """A worker that misbehaves."""
    return [sys.executable, "-c", script]


def test_a_request_that_is_not_json_is_answered_with_an_error():
    command = [sys.executable, "-m", "vitbench.build.worker"]
    done = subprocess.run(
        command, input="{not json", capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert done.returncode == 1
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["error"]["kind"] == "JSONDecodeError"
    assert "Traceback" in done.stderr


def test_an_unknown_verb_is_a_user_error_of_the_parent():
    with pytest.raises(UserError, match=r"'dance'.*build"):
        ask({"verb": "dance"}, 60)


def test_a_request_without_a_verb_names_the_exception():
    with pytest.raises(WorkerFailed, match="KeyError: 'verb'"):
        ask({}, 60)


def test_an_unknown_runtime_is_named():
    whole = replace(recipe("fp32"), runtime="acme").to_json()
    with pytest.raises(Unavailable, match="no installed package has the runtime 'acme'"):
        ask({"verb": "build", "recipe": whole, "threads": 1}, 60)


def test_the_worker_runs_from_any_folder(monkeypatch, tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="dance"):
        ask({"verb": "dance"}, 60)


def test_chatter_on_stdout_does_not_spoil_the_answer():
    script = """
import os, sys
from vitbench.build import worker
def noisy(request):
    print("chatter")
    os.write(1, b"from C")
    os.system("echo from a child")
    return {"heard": request["say"]}
worker.VERBS["build"] = noisy
sys.exit(worker.main())
"""
    assert ask({**REQUEST, "say": "ä"}, 60, python(script)) == {"heard": "ä"}


@pytest.mark.parametrize("error", [UserError, Unavailable])
def test_errors_for_people_are_raised_as_such(error):
    answer = json.dumps({"error": {"kind": error.__name__, "message": "no torch here"}})
    with pytest.raises(error, match="no torch here"):
        ask(REQUEST, 60, python(f"print({answer!r}); raise SystemExit(1)"))


def test_a_message_is_one_line():
    script = """
import sys
from vitbench.build import worker
def fail(request):
    raise RuntimeError("first\\n  second")
worker.VERBS["build"] = fail
sys.exit(worker.main())
"""
    with pytest.raises(WorkerFailed) as caught:
        ask(REQUEST, 60, python(script))
    assert str(caught.value) == "the build worker failed with RuntimeError: first second"


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("import os; os.kill(os.getpid(), 9)", "build worker was killed by SIGKILL"),
        ("import os; os.kill(os.getpid(), 11)", "build worker was killed by SIGSEGV"),
        ("import sys; sys.exit('boo\\nhoo')", "status 1 and no answer; its last words: hoo"),
        ("pass", "status 0 and no answer"),
        ("print('Loading weights...')", "'Loading weights...', not JSON"),
        ("print('[]')", "not JSON"),
        ("print('{\"error\": 3}')", "not JSON"),
        ("print('{}'); raise SystemExit(3)", "ended with status 3"),
    ],
)
def test_a_dead_silent_or_babbling_worker_is_described(script, sentence):
    with pytest.raises(WorkerFailed) as caught:
        ask(REQUEST, 60, python(script))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def wait_until_gone(pid):
    """Whether the process ends, or is a zombie that nobody here can reap, within a minute."""
    for _ in range(1200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


# A worker with a child of its own, both asleep; it writes both process ids first.
SLEEPERS = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("still compiling", file=sys.stderr, flush=True)
with open({file!r} + ".new", "w") as file:
    file.write(f"{{os.getpid()}} {{child.pid}}")
os.rename({file!r} + ".new", {file!r})
time.sleep(60)
"""


def pids(file):
    return [int(pid) for pid in file.read_text().split()]


linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


@linux
def test_a_late_worker_is_stopped_with_all_it_started(tmp_path):
    file = tmp_path / "pids"
    for seconds in (2, 60):  # a busy machine may not have started both in two
        with pytest.raises(WorkerFailed, match=f"no answer in {seconds} s") as caught:
            ask(REQUEST, seconds, python(SLEEPERS.format(file=str(file))))
        if file.exists():
            break
    assert str(caught.value).endswith("; its last words: still compiling")
    assert all(wait_until_gone(pid) for pid in pids(file))


@linux
def test_ctrl_c_leaves_no_process_behind(tmp_path):
    file = tmp_path / "pids"
    asker = f"""
import sys
from vitbench.build.ask import ask
ask({REQUEST}, 30, [sys.executable, "-c", {SLEEPERS.format(file=str(file))!r}])
"""
    # Not this process: pytest-xdist's workers must not be interrupted.
    with (
        subprocess.Popen(
            python(asker), cwd=ROOT, stderr=subprocess.PIPE, text=True, preexec_fn=listen
        ) as process,
        bounded(process),
    ):
        deadline = time.monotonic() + 60
        while not file.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, complaint = process.communicate(timeout=30)
    assert "KeyboardInterrupt" in complaint
    assert all(wait_until_gone(pid) for pid in pids(file))


@pytest.mark.parametrize(
    "variant", [pytest.param("fp32", marks=pytest.mark.thorough), "int8-dynamic"]
)
def test_a_build_and_its_footprint(tmp_path, variant):
    from vitbench.models import load_model, parse_spec

    spec = parse_spec("deit_tiny_patch16_224", Path.cwd())
    path, images = tmp_path / "artifact", tmp_path / "images.npy"
    request = {
        "recipe": recipe(variant).to_json(),
        "path": str(path),
        "threads": 1,
        "calibration": None,
    }
    build = {**request, "verb": "build", "spec": asdict(spec), "weights": "seeded"}
    with pytest.raises(UserError, match="has other weights than when this run began"):
        ask({**build, "sha256": "0" * 64}, 120)
    built = ask({**build, "sha256": load_model(spec, "seeded").weights.sha256}, 120)
    counts = {"quantized_layers", "float_layers", "float_by_option", "quantized_names"}
    counted = counts if variant == "int8-dynamic" else set()
    assert set(built) == {"build_seconds", "peak_memory_bytes", *counted}
    assert built["build_seconds"] > 0
    assert path.stat().st_size > 5_000_000

    np.save(images, np.zeros((1, 3, 224, 224), np.float32))
    request |= {
        "verb": "footprint",
        "answers": str(tmp_path / "answers.npy"),
        "others": [str(images)],
        "device": "cpu",
        "architecture": dict(load_model(spec, "seeded").architecture),
        "images": str(images),
    }
    measured = ask(request, 120)
    assert measured["cuda_peak_bytes"] is None
    assert 0 < measured["first_inference_seconds"] < 60
    assert 0 < measured["load_seconds"] < 60
    assert 0 < measured["baseline_memory_bytes"] < measured["peak_memory_bytes"]
    first, second = np.load(tmp_path / "answers.npy")
    assert first.shape == (1, 1000)
    assert first.tobytes() == second.tobytes()


RECIPE = """
import os
from pathlib import Path

def own(module, images):
    Path(os.environ["ACME_CONF"]).read_text()
    return module
"""


@pytest.mark.parametrize("read", ["head", "base"])
def test_a_build_that_reads_the_other_tree_is_refused(tmp_path, monkeypatch, read):
    """What it would build of head's file is not kept under base's name."""
    from vitbench.models import load_model, parse_spec

    for side in ("base", "head"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "acme.py").write_text(RECIPE)
        (tmp_path / side / "conf.json").write_text(side)
    monkeypatch.setenv("ACME_CONF", str(tmp_path / read / "conf.json"))
    small = "vit_tiny_patch16_224,img_size=32,depth=1,embed_dim=32,num_heads=2"
    spec = parse_spec(f"m={small}", Path.cwd())
    request = {
        "verb": "build",
        "spec": asdict(spec),
        "weights": "seeded",
        "sha256": load_model(spec, "seeded").weights.sha256,
        "recipe": replace(recipe("fp32"), name="own", transform="acme:own").to_json(),
        "path": str(tmp_path / "artifact"),
        "threads": 1,
        "calibration": None,
        "import_roots": [str(tmp_path / "base")],
        "trees": {"own": str(tmp_path / "base"), "other": str(tmp_path / "head")},
    }
    if read == "base":
        assert ask(request, 120)["transform"]["function"] == "acme:own"
        return
    with pytest.raises(Incomparable, match=r"reads conf\.json from your own work tree"):
        ask(request, 120)


def test_a_pool_loads_each_copy_once_and_counts():
    from vitbench.build.pool import Pool

    pool = Pool(lambda case: [case])  # a list: equal loads are still two objects
    first = pool.get("case")
    assert pool.get("case") is first
    assert pool.get("case", copy=1) is not first
    assert pool.loads == {("case", 0): 1, ("case", 1): 1}
