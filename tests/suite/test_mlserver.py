"""A real server of the package index, MLServer, with a right model and a wrong one behind it.

It has pins of its own, so it lives in an environment of its own: `pip install mlserver` there, and
VITBENCH_MLSERVER names its program.
"""

import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import pytest

from vitbench.case import Case
from vitbench.errors import UserError
from vitbench.measure.measuring import measure_in_pairs
from vitbench.measure.options import Options
from vitbench.measure.session import Session
from vitbench.models import parse_specs
from vitbench.project.endpoints import with_endpoints
from vitbench.project.project import Project

pytestmark = pytest.mark.thorough
SIDE, CLASSES = 16, 10
FACTORY = """
from pathlib import Path

import numpy as np
import torch
from torchvision import transforms

WEIGHT = Path(__file__).with_name("right.npy")


class Linear(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3 * 16 * 16, 10, bias=False)
        self.layer.weight.data = torch.from_numpy(np.load(WEIGHT))

    def forward(self, images):
        return self.layer(images.flatten(1))


def linear():
    steps = [transforms.Resize(16, 3), transforms.CenterCrop(16), transforms.ToTensor()]
    return Linear().eval(), transforms.Compose(steps)
"""
RUNTIME = """
import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse


class Linear(MLModel):
    async def load(self):
        self.weight = np.load(self.settings.parameters.uri)
        return True

    async def predict(self, payload):
        images = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32)
        logits = images.reshape(len(images), -1) @ self.weight.T
        outputs = [NumpyCodec.encode_output("logits", logits)]
        return InferenceResponse(model_name=self.name, outputs=outputs)
"""


def program():
    named = os.environ.get("VITBENCH_MLSERVER") or shutil.which("mlserver")
    if not named or not Path(named).exists():
        pytest.skip("MLServer is not there: install it in an environment of its own, and name its "
                    "program in VITBENCH_MLSERVER")  # fmt: skip
    return named


def free_ports(count):
    with_sockets = [socket.socket() for _ in range(count)]
    for each in with_sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in with_sockets]
    for each in with_sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    """The folder of the models, the URL of the server, and the server's process."""
    command, folder = program(), tmp_path_factory.mktemp("deployed")
    weight = np.random.default_rng(0).normal(size=(CLASSES, 3 * SIDE * SIDE)).astype(np.float32)
    (folder / "acme_linear.py").write_text(FACTORY)
    (folder / "numpy_linear.py").write_text(RUNTIME)
    red_is_blue = weight.reshape(CLASSES, 3, -1)[:, ::-1].reshape(CLASSES, -1)
    for name, each in (("right", weight), ("wrong", np.ascontiguousarray(red_is_blue))):
        np.save(folder / f"{name}.npy", each)
        (folder / name).mkdir()
        pixels = {"name": "pixels", "datatype": "FP32", "shape": [-1, 3, SIDE, SIDE]}
        settings = {
            "name": name, "implementation": "numpy_linear.Linear", "inputs": [pixels],
            "parameters": {"uri": str(folder / f"{name}.npy")},
        }  # fmt: skip
        (folder / name / "model-settings.json").write_text(json.dumps(settings))
    http, grpc, metrics = free_ports(3)
    settings = {
        "host": "127.0.0.1", "http_port": http, "grpc_port": grpc, "metrics_port": metrics,
        "parallel_workers": 0, "debug": False,
    }  # fmt: skip
    (folder / "settings.json").write_text(json.dumps(settings))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    with (folder / "log.txt").open("w") as log:
        server = subprocess.Popen(
            [command, "start", str(folder)], stdout=log, stderr=log, cwd=folder,
            env={**environment, "PYTHONPATH": str(folder)},
        )  # fmt: skip
    url = f"http://127.0.0.1:{http}"
    try:
        wait_until_ready(f"{url}/v2/health/ready", server, folder / "log.txt")
        yield folder, url, server
    finally:
        server.kill()
        server.wait()


def wait_until_ready(url, server, log):
    for _ in range(600):
        assert server.poll() is None, log.read_text()[-3000:]
        try:
            with urlopen(url, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (URLError, OSError):
            pass
        time.sleep(0.1)
    raise AssertionError(log.read_text()[-3000:])


@pytest.fixture
def session(deployed, tmp_path):
    folder, url, _ = deployed
    texts = [f"{name}={url}/v2/models/{name}" for name in ("right", "wrong", "none")]
    rows = with_endpoints(Project(folder), texts, ["mine"]).variants
    return Session(
        Options(
            models=parse_specs(["mine=py:acme_linear:linear"], folder), threads=1, cache=tmp_path,
            verify_images=64, seconds=0.2, import_roots=(folder,), project_variants=rows,
        )
    )  # fmt: skip


def case(variant, batch=1):
    return Case("mine", variant, "cpu", batch)


@pytest.mark.parametrize("batch", [1, 8])
def test_a_right_model_behind_mlserver_is_verified_and_timed(session, batch):
    found = measure_in_pairs(session, case("right", batch), 10)
    assert found.agreement.state != "BROKEN"
    assert found.agreement.relative_error < 1e-5
    assert found.subject.to_json()["artifact"]["server"]["software"].startswith("mlserver 1.")


def test_a_wrong_model_behind_mlserver_is_broken(session):
    assert session.verify(case("wrong")).agreement.state == "BROKEN"
    with pytest.raises(UserError, match="BROKEN"):
        measure_in_pairs(session, case("wrong"), 10)


def test_a_model_that_mlserver_does_not_have_is_one_sentence(session):
    with pytest.raises(UserError, match=r"/v2/models/none answered 404: .*none.* not found"):
        session.verify(case("none"))


def test_mlserver_that_is_killed_costs_its_case_alone(deployed, session):
    """The last test: the server is gone after it."""
    assert session.verify(case("right")).agreement.state != "BROKEN"
    deployed[2].kill()
    deployed[2].wait()
    with pytest.raises(UserError, match=r"right: .*(no server answers at|closed the connection)"):
        measure_in_pairs(session, case("right"), 10)
    assert measure_in_pairs(session, case("fp32"), 10).seconds
