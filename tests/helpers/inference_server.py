"""A small server of the Open Inference Protocol v2, of the standard library, with planted faults.

It shares no code with vitbench's client: both are written from the protocol.
"""

import json
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

HEADER = "Inference-Header-Content-Length"


@dataclass
class Served:
    """A deployed model. `answer` takes float32 images as the server gets them to logits. The faults
    may be planted, and taken away, while the server runs: `hangs` and `trickles` hold answers back,
    `dies` closes connections without one, `status` refuses."""

    answer: object
    shape: tuple = (-1, 3, 32, 32)
    datatype: str = "FP32"
    name: str = "vit"
    binary: bool = True
    most: int = 1000
    ready: bool = True
    hangs: threading.Event = field(default_factory=threading.Event)
    trickles: bool = False
    dies: bool = False
    status: int = 0
    inferred: int = 0
    connections: int = 0
    asked: list = field(default_factory=list)


NUMPY = {"FP32": "<f4", "UINT8": "u1", "FP16": "<f2"}


def tensor_of(body, length):
    """The one input of a request, and whether its first output is wanted as bytes."""
    head = json.loads(body[:length])
    (given,) = head["inputs"]
    assert given["name"] == "pixels"
    if "data" in given:
        array = np.array(given["data"], NUMPY[given["datatype"]])
    else:
        assert given["parameters"]["binary_data_size"] == len(body) - length
        array = np.frombuffer(body[length:], NUMPY[given["datatype"]])
    wanted = head.get("outputs", [{}])[0].get("parameters", {}).get("binary_data", False)
    return array.reshape(given["shape"]), [each["name"] for each in head.get("outputs", ())], wanted


def reply_of(logits, names, wanted, served):
    outputs, raw = [], b""
    for name, array in (("logits", logits), ("features", np.zeros((len(logits), 5), "<f4"))):
        if names and name not in names:
            continue
        each = {"name": name, "shape": list(array.shape), "datatype": "FP32"}
        if wanted:
            data = np.ascontiguousarray(array, "<f4").tobytes()
            each["parameters"], raw = {"binary_data_size": len(data)}, raw + data
        else:
            each["data"] = array.astype(float).tolist()
        outputs.append(each)
    return json.dumps({"model_name": served.name, "outputs": outputs}).encode(), raw


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms for a delayed acknowledgement

    def setup(self):
        super().setup()
        self.served.connections += 1

    @property
    def served(self):
        return self.server.served

    def log_message(self, *_):
        pass

    def send(self, status, body, headers=()):
        self.send_response(status)
        for name, value in (("Content-Length", len(body)), *headers):
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def json(self, status, value):
        self.send(status, json.dumps(value).encode(), [("Content-Type", "application/json")])

    def do_GET(self):
        served = self.served
        served.asked.append(self.path)
        if served.dies:
            self.close_connection = True
            return
        if served.hangs.is_set():
            while served.hangs.is_set():
                time.sleep(0.01)
            self.close_connection = True
            return
        model = re.fullmatch(r"/v2/models/([^/]+)(/ready)?", self.path)
        if self.path == "/v2":
            extensions = ["binary_tensor_data"] if served.binary else []
            self.json(200, {"name": "small", "version": "1.0", "extensions": extensions})
        elif self.path == "/v2/health/ready":
            self.json(200 if served.ready else 503, {})
        elif model and model[1] != served.name:
            self.json(404, {"error": f"Model {model[1]} not found"})
        elif model and model[2]:
            self.json(200, {})
        elif model:
            pixels = {"name": "pixels", "datatype": served.datatype, "shape": list(served.shape)}
            self.json(200, {"name": served.name, "platform": "numpy", "inputs": [pixels]})
        else:
            self.json(404, {"error": "no such path"})

    def do_POST(self):
        served = self.served
        body = self.rfile.read(int(self.headers["Content-Length"]))
        while served.hangs.is_set():
            time.sleep(0.01)
        if served.dies:
            self.close_connection = True
            return
        length = int(self.headers.get(HEADER, len(body)))
        images, names, wanted = tensor_of(body, length)
        if served.status or len(images) > served.most:
            said = f"batch {len(images)} is over {served.most}" if not served.status else "broken"
            self.json(served.status or 400, {"error": said})
            return
        served.inferred += 1
        head, raw = reply_of(served.answer(images), names, wanted, served)
        if served.trickles:
            self.send_response(200)
            self.send_header("Content-Length", str(10 * len(head)))
            self.end_headers()
            for byte in head:
                self.wfile.write(bytes([byte]))
                time.sleep(0.02)
            return
        self.send(200, head + raw, [(HEADER, len(head))] if raw else [])


@contextmanager
def running(served):
    """The URL of a server, which ends with the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.served = served
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        served.hangs.clear()
        server.shutdown()
        server.server_close()
