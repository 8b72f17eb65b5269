"""A build that takes too much memory is ended in a sentence, and not tried again; calibration in
pieces finds the ranges that it finds as a whole."""

import os
import subprocess
import sys
from dataclasses import replace
from mmap import mmap
from types import SimpleNamespace

import numpy as np
import psutil
import pytest

from tests.conftest import ROOT
from vitbench.build import builds
from vitbench.build.ask import ask
from vitbench.build.memory import default_limit, resident_bytes, used_bytes
from vitbench.case import Case
from vitbench.environment import peak_resident_bytes
from vitbench.errors import Unavailable, UserError, WorkerFailed
from vitbench.measure.options import Options, build_memory
from vitbench.measure.session import Session
from vitbench.models import parse_spec
from vitbench.runtimes import RUNTIMES

# A worker whose child takes `megabytes` that it touches, and that waits for it.
TAKES = """
import subprocess, sys
code = "import sys, time; x = b'1' * {megabytes}_000_000; time.sleep({seconds})"
subprocess.run([sys.executable, "-c", code])
print("{{}}")
"""


def test_a_worker_that_takes_too_much_with_its_children_is_ended():
    def of(megabytes, seconds):
        script = TAKES.format(megabytes=megabytes, seconds=seconds)
        command = [sys.executable, "-c", script]
        return ask({}, 60, command, name="the build of m/v", memory_bytes=150_000_000)

    with pytest.raises(Unavailable) as caught:
        of(200, 60)
    assert str(caught.value) == (
        "the build of m/v took more than 0.15 GB of memory and was stopped: --build-memory=SIZE "
        "gives a build more"
    )
    assert of(20, 0.5) == {}


# A process of a session of its own that has a child; both touch memory, and map a file's.
HOLDS = """
import subprocess, sys
x = b'1' * 20_000_000
code = "import sys; x = b'1' * 30_000_000; print(flush=True); sys.stdin.read()"
child = subprocess.Popen([sys.executable, "-c", code], stdout=-1)
child.stdout.readline()
print(flush=True)
child.wait()
"""


def test_the_memory_of_a_session_is_that_of_its_processes():
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        process.stdout.readline()
        held, others = used_bytes(process.pid), used_bytes(os.getsid(0))
        process.stdin.close()
    assert 50_000_000 < held < 80_000_000  # 50 MB, and twice what Python takes itself
    assert others > 0
    assert used_bytes(process.pid) == 0  # gone


def test_resident_memory_is_what_is_held_now():
    before = resident_bytes()
    held = mmap(-1, 40_000_000)  # memory of its own, whatever earlier tests have left free
    held.write(b"1" * len(held))
    assert len(held) * 0.9 < resident_bytes() - before < len(held) * 1.5
    held.close()
    assert resident_bytes() - before < 20_000_000
    assert peak_resident_bytes() >= before + 40_000_000 * 0.9


V2 = {"memory.max": "4000", "memory.current": "3000", "memory.stat": "anon 9\ninactive_file 200"}
V1 = {f"memory/memory.{name}": text for name, text in (
    ("limit_in_bytes", "4000"), ("usage_in_bytes", "3000"), ("stat", "active_file 300"),
)}  # fmt: skip


@pytest.mark.parametrize(
    ("files", "free", "limit"),
    [
        ({}, 8000, 6000),
        ({}, 5000, 4500),  # others have much of it
        (V2, 8000, 1080),
        (V2 | {"memory.current": "100"}, 8000, 3000),
        (V2 | {"memory.max": "max"}, 8000, 6000),
        (V2 | {"memory.max": "9000"}, 8000, 5580),
        (V1, 8000, 1170),
        (V1, 1000, 900),
        ({"memory/memory.limit_in_bytes": "9223372036854771712"}, 8000, 6000),
        ({"memory.max": "4000"}, 8000, 3000),  # and how much is used is not told
    ],
)
def test_the_limit_is_a_share_of_what_there_is(tmp_path, monkeypatch, files, free, limit):
    memory = SimpleNamespace(total=8000, available=free)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert default_limit(tmp_path) == limit


def test_the_option_is_a_size():
    assert build_memory(None) is None
    assert build_memory("8GB") == 8_000_000_000
    with pytest.raises(UserError, match=r"--build-memory=8: not a size"):
        build_memory("8")


@pytest.mark.parametrize("failure", [WorkerFailed("it died"), Unavailable("nothing to quantize")])
def test_a_build_that_failed_is_remembered_and_others_are_built(tmp_path, monkeypatch, failure):
    asked = []

    def fake(request, *_, **settings):
        asked.append((request["recipe"]["name"], settings["memory_bytes"], settings["name"]))
        raise failure

    monkeypatch.setattr(builds, "ask", fake)
    model = "deit_tiny_patch16_224"
    options = Options(models=(parse_spec(model, ROOT),), threads=1, cache=tmp_path)
    session = Session(replace(options, build_memory_bytes=7))
    case = Case(model, "scripted", "cpu", 1)
    with pytest.raises(type(failure), match=f"^{failure}$"):
        session.artifact(case)
    for batch in (8, 1):
        with pytest.raises(type(failure), match=f"^{failure}$"):
            session.artifact(replace(case, batch=batch))
    with pytest.raises(type(failure)):
        session.artifact(replace(case, variant="bf16"))
    names = [f"the build of {model}/{each}" for each in ("scripted", "bf16")]
    assert asked == [("scripted", 7, names[0]), ("bf16", 7, names[1])]


def test_what_a_runtime_does_not_take_is_known_before_a_build(tmp_path, monkeypatch):
    """By the operators of the network, which the runtime is shown once for all its recipes."""
    asked, shown = [], []

    def fake(request, *_, **__):
        asked.append(request["recipe"]["name"])
        raise WorkerFailed("it was built")

    def suits(network, row):
        shown.append(network)
        if row.name == "scripted" and "aten.conv2d.default" in network.operators:
            raise Unavailable("no convolution, please")

    monkeypatch.setattr(builds, "ask", fake)
    monkeypatch.setattr(RUNTIMES["torchscript"], "suits", suits)
    monkeypatch.delattr(RUNTIMES["eager"], "suits")  # as a package's runtime may lack it
    model = "deit_tiny_patch16_224"
    session = Session(Options(models=(parse_spec(model, ROOT),), threads=1, cache=tmp_path))
    for name, why in (("scripted", "no convolution, please"), ("scripted-int8", "it was built"),
                      ("bf16", "it was built")):  # fmt: skip
        with pytest.raises((Unavailable, WorkerFailed), match=f"^{why}$"):
            session.artifact(Case(model, name, "cpu", 8))
    assert asked == ["scripted-int8", "bf16"]
    assert len(shown) == 2
    assert shown[0] is shown[1]
    assert len(shown[0].linear) == 49
    assert not shown[0].fixed


def test_a_network_that_cannot_be_called_once_is_left_to_its_build(tmp_path, monkeypatch):
    """What its own code says is a sentence of the build, and no traceback of the run."""

    def fake(*_, **__):
        raise WorkerFailed("the build says why")

    def call(*_):
        raise ValueError("no single images")

    monkeypatch.setattr(builds, "ask", fake)
    model = "deit_tiny_patch16_224"
    session = Session(Options(models=(parse_spec(model, ROOT),), threads=1, cache=tmp_path))
    monkeypatch.setattr(session.model(model).module, "forward", call)
    with pytest.raises(WorkerFailed, match=r"^the build says why$"):
        session.artifact(Case(model, "int8-dynamic", "cpu", 8))


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
