"""A build that takes too much memory is ended in a sentence, and not tried again; calibration in
pieces finds the ranges that it finds as a whole."""

import os
import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.conftest import ROOT
from vitbench.build.memory import default_limit, used_bytes
from vitbench.build.worker import WorkerFailed, ask
from vitbench.case import Case
from vitbench.errors import Unavailable, UserError
from vitbench.measure import session as sessions
from vitbench.measure.options import Options, build_memory
from vitbench.measure.session import Session
from vitbench.models import parse_spec

# A worker whose child takes `megabytes` that it touches, and that waits for it.
TAKES = """
import subprocess, sys
code = "import sys, time; x = b'1' * {megabytes}_000_000; time.sleep({seconds})"
subprocess.run([sys.executable, "-c", code])
print("{{}}")
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads /proc")
def test_a_worker_that_takes_too_much_with_its_children_is_ended():
    def of(megabytes, seconds):
        script = TAKES.format(megabytes=megabytes, seconds=seconds)
        command = [sys.executable, "-c", script]
        return ask({}, 60, command, name="the build of m/v", memory_bytes=150_000_000)

    with pytest.raises(WorkerFailed) as caught:
        of(200, 60)
    assert str(caught.value) == (
        "the build of m/v was stopped: it took more than 0.15 GB of memory (--build-memory)"
    )
    assert of(20, 0.5) == {}


def a_process(proc, number, session, kilobytes):
    folder = proc / str(number)
    folder.mkdir(parents=True)
    (folder / "stat").write_text(f"{number} (a b) c) S 1 {number} {session} 0 0")
    (folder / "status").write_text(f"Name:\tx\nVmRSS:\t999 kB\nRssAnon:\t{kilobytes} kB\n")


def test_the_memory_of_a_session_is_that_of_its_processes(tmp_path):
    for number, session, kilobytes in ((10, 10, 5), (11, 10, 7), (12, 99, 1000)):
        a_process(tmp_path / "proc", number, session, kilobytes)
    (tmp_path / "proc" / "13").mkdir()  # it ended while it was looked at
    assert used_bytes(10, tmp_path) == 12 * 1024
    assert used_bytes(10, tmp_path / "nowhere") == 0


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"proc/meminfo": "MemTotal: 8000 kB\nMemFree: 1 kB\n"}, 6000 * 1024),
        ({"proc/meminfo": "MemTotal: 8000 kB", "sys/fs/cgroup/memory.max": "4096"}, 3072),
        ({"proc/meminfo": "MemTotal: 8 kB", "sys/fs/cgroup/memory.max": "max"}, 6 * 1024),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712"}, None),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": "4096"}, 3072),
        ({}, None),
    ],
)
def test_the_limit_is_a_share_of_the_least_that_there_is(tmp_path, files, limit):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert default_limit(tmp_path) == limit


def test_the_option_is_a_size():
    assert build_memory(None) is None
    assert build_memory("8GB") == 8_000_000_000
    with pytest.raises(UserError, match=r"--build-memory=8: not a size"):
        build_memory("8")


@pytest.mark.parametrize(
    ("failure", "again"),
    [
        (WorkerFailed("it died"), r"^it died \(it is not built again in this run\)$"),
        (Unavailable("nothing to quantize"), "^nothing to quantize$"),
    ],
)
def test_a_build_that_failed_is_remembered_and_others_are_built(
    tmp_path, monkeypatch, failure, again
):
    asked = []

    def fake(request, *_, **settings):
        asked.append((request["variant"], settings["memory_bytes"], settings["name"]))
        raise failure

    monkeypatch.setattr(sessions, "ask", fake)
    model = "deit_tiny_patch16_224"
    options = Options(models=(parse_spec(model, ROOT),), threads=1, cache=tmp_path)
    session = Session(replace(options, build_memory_bytes=7))
    case = Case(model, "scripted", "cpu", 1)
    with pytest.raises(type(failure), match=f"^{failure}$"):
        session.artifact(case)
    for batch in (8, 1):
        with pytest.raises(type(failure), match=again):
            session.artifact(replace(case, batch=batch))
    with pytest.raises(type(failure)):
        session.artifact(replace(case, variant="bf16"))
    names = [f"the build of {model}/{each}" for each in ("scripted", "bf16")]
    assert asked == [("scripted", 7, names[0]), ("bf16", 7, names[1])]


def test_ranges_do_not_depend_on_how_many_images_are_taken_at_a_time(tmp_path, monkeypatch):
    onnx = pytest.importorskip("onnx", reason="onnx is in the extra runtimes")
    pytest.importorskip("onnxruntime", reason="onnxruntime is in the extra runtimes")
    from vitbench.runtimes import onnx_graph

    numbers, make = np.random.default_rng(0), onnx.helper
    weights = [numbers.normal(size=shape).astype(np.float32) for shape in ((24, 32), (32, 8))]
    value = make.make_tensor_value_info
    graph = make.make_graph(
        [
            make.make_node("MatMul", ["images", "w0"], ["a"], "m0"),
            make.make_node("Tanh", ["a"], ["b"], "r"),
            make.make_node("MatMul", ["b", "w1"], ["logits"], "m1"),
        ],
        "two",
        [value("images", 1, ["batch", 5, 24])],
        [value("logits", 1, ["batch", 5, 8])],
        [onnx.numpy_helper.from_array(each, f"w{n}") for n, each in enumerate(weights)],
    )
    opset = [make.make_opsetid("", onnx_graph.OPSET)]
    onnx.save(make.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "plain.onnx")
    images = numbers.normal(size=(20, 5, 24)).astype(np.float32)
    images[17] *= 3  # the widest of them is in a later piece
    found = []
    for count in (1, 8, 20):
        monkeypatch.setattr(onnx_graph, "CALIBRATION_BATCH", count)
        path = tmp_path / f"{count}.onnx"
        onnx_graph.quantize(tmp_path / "plain.onnx", path, images)
        found.append([each.SerializeToString() for each in onnx.load(path).graph.initializer])
    assert len(found[0]) > 4
    assert found[0] == found[1] == found[2]
