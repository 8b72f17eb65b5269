"""What a broken server sends, planted on a real socket: one sentence each."""

import json
import socket
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

from tests.helpers.inference_server import Served, running
from vitbench.case import Limits
from vitbench.errors import UserError, WrongOutputs
from vitbench.measure.outputs import Witness
from vitbench.measure.remembering import RESPONSES, require_no_memory
from vitbench.runtimes import endpoint
from vitbench.runtimes.base import Placement, Variant
from vitbench.runtimes.endpoint import client as clients
from vitbench.runtimes.endpoint.address import address_of
from vitbench.runtimes.endpoint.client import Client, Response
from vitbench.runtimes.endpoint.facts import model_facts
from vitbench.runtimes.endpoint.protocol import LENGTH, Staged, decoded, numbers

LIMITS = Limits(agreement=0.96, relative_error=0.05, cosine=0.99, reason="of a test")
OK = b"HTTP/1.1 200 OK\r\n"
STAGED = Staged(b"{}", {}, 1)


@contextmanager
def sending(*parts, every=0.0):
    """The URL of a server that sends these bytes for each request, whatever it is."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                try:
                    request = b""
                    while not request.endswith(b"{}" if request[:1] == b"P" else b"\r\n\r\n"):
                        more = connection.recv(65536)
                        if not more:  # nothing was sent
                            break
                        request += more
                    for part in parts:
                        connection.sendall(part)
                        time.sleep(every)
                except OSError:
                    pass

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def asked(url, seconds=5.0):
    return Client(address_of(f"{url}/v2/models/vit"), seconds, "mine", 10)


def said(work, *given):
    with pytest.raises(UserError) as told:
        work(*given)
    return str(told.value)


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("https://h:8/v2/models/vit/infer", "to https://h:8/v2/models/vit: give that URL"),
        ("/x/v2/models/vit/infer", "/x/v2/models/vit: give that URL"),
        ("https://a:b@login/?t=1", "to https://login/, which is no path of the protocol: give the"),
        ("", "it redirects to nowhere: give the URL of the server itself"),
    ],
)
def test_a_redirect_says_where_to(location, words):
    head = f"HTTP/1.1 307 Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    with sending(head.encode()) as url:
        told = said(asked(url).infer, STAGED)
        assert "answered 307: it redirects to " in told
        assert words in told
        assert "it redirects to " in said(model_facts, asked(url))


@pytest.mark.parametrize("host", ["a..b:80", f"{'a' * 64}:80", "h:0"])
def test_a_host_that_cannot_be_is_refused(host):
    words = said(address_of, f"http://{host}")
    assert words.endswith("give http://HOST:PORT or http://HOST:PORT/v2/models/NAME")


@pytest.mark.parametrize("host", ["a.b.:80", "under_score:1", f"{'a' * 63}.b"])
def test_a_host_that_may_be_is_taken(host):
    assert str(address_of(f"http://{host}")) == f"http://{host}"


def test_a_path_that_cannot_be_sent_is_one_sentence():
    with sending(OK) as url:
        words = said(Client(address_of(f"{url}/é/v2/models/m"), 5, "mine", 10).infer, STAGED)
        assert "no request can be sent there" in words


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        OK + b"".join(b"X%d: 1\r\n" % n for n in range(120)) + b"\r\n",
        OK + b"X: " + b"a" * 70_000 + b"\r\n\r\n",
        b"\x00\x00\x18\x04 this is gRPC\r\n\r\n",
    ],
)
def test_a_server_that_answers_badly_does_answer(answer):
    with sending(answer) as url:
        words = said(asked(url).infer, STAGED)
    assert "/infer answers, but what it sends is no whole answer of HTTP (" in words


@pytest.mark.parametrize(
    "begin", [OK + b"Transfer-Encoding: chunked\r\n\r\n", OK + b"X: ", b"HTTP/1.1 200 "]
)
def test_what_drips_is_over_at_the_limit(begin):
    with sending(begin, *[b"0"] * 100, every=0.05) as url:
        start = time.monotonic()
        words = said(asked(url, 0.3).infer, STAGED)
        assert "gave no answer within 0.3 s" in words
        assert time.monotonic() - start < 3  # the drip takes 5 s


def test_an_answer_of_any_size_is_not_kept(monkeypatch):
    monkeypatch.setattr(clients, "ROOM_BYTES", 2**20)
    body = b" " * 2**20
    with sending(OK + b"Connection: close\r\n\r\n", *[body] * 3) as url:
        assert "sends an answer of over 1 MiB, and an image has 10" in said(
            asked(url).infer, STAGED
        )
    with sending(OK + b"Content-Length: 1048576\r\n\r\n", body) as url:
        assert asked(url).infer(STAGED).body == body


def answer(*outputs, raw=b"", length=None):
    head = json.dumps({"outputs": outputs}).encode()
    headers = {LENGTH: str(len(head) if length is None else length)} if raw or length else {}
    return Response(200, headers, head + raw)


def tensor(name="logits", datatype="FP32", shape=(1, 2), **more):
    return {"name": name, "datatype": datatype, "shape": shape, **more}


def sized(size, **more):
    return tensor(parameters={"binary_data_size": size}, **more)


EIGHT = np.ones(2, "<f4").tobytes()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (answer(tensor(datatype="FP99", data=[1, 2])), "'logits' is of the datatype 'FP99', which"),
        (answer(tensor(data=[1, 2]), tensor(data=[1, 2])), "two outputs of the name 'logits'"),
        (answer(sized(-8), raw=EIGHT), "'logits' has a binary_data_size of -8, and 8 bytes are"),
        (answer(sized(16), raw=EIGHT), "'logits' has a binary_data_size of 16, and 8 bytes are"),
        (answer(sized(8), raw=EIGHT * 2), "its answer has 8 bytes that belong to no output"),
        (answer(sized(8), raw=EIGHT, length=-3), "says -3"),
        (answer(tensor(data=[10**400, 2])), "v2 (OverflowError"),
        (Response(200, {}, b"[" * 200_000), "v2 (RecursionError"),
        (answer(sized(8, datatype="BYTES", shape=[10**9]), raw=EIGHT), "hold no [1000000000] te"),
    ],
)
def test_an_answer_that_contradicts_itself_is_refused(given, words):
    told = said(decoded, given, "mine")
    assert told.startswith("mine: its ")
    assert words in told


def test_json_that_is_too_deep_is_no_metadata():
    body = b"[" * 200_000
    with sending(OK + b"Content-Length: %d\r\n\r\n" % len(body), body) as url:
        assert "answered with no JSON" in said(model_facts, asked(url))


def test_text_beside_the_numbers_passes_and_alone_does_not():
    texts = tensor("labels", "BYTES", data=["cat", "dog"])
    both = decoded(answer(texts, tensor(data=[1, 2])), "mine")
    assert numbers(both, None, "mine")["logits"].tolist() == [[1, 2]]
    words = "mine: its output 'labels' is BYTES, and vitbench needs the numbers that"
    assert said(numbers, both, "labels", "mine").startswith(words)
    assert said(numbers, decoded(answer(texts), "mine"), None, "mine").startswith(words)
    raw = b"\3\0\0\0cat\3\0\0\0dog"
    binary = decoded(answer(sized(14, name="labels", datatype="BYTES"), raw=raw), "mine")
    assert said(numbers, binary, None, "mine").startswith(words)


def test_a_server_whose_answers_changed_has_no_cache_of_ours():
    verified = np.eye(3, 4, dtype=np.float32)
    local, server = (Witness("mine", verified, LIMITS, exact=each) for each in (True, False))
    assert "use --rebuild or another --cache" in said(local.begin, [-verified] * 2)
    words = said(server.begin, [-verified] * 2)
    assert words.endswith("was another model deployed meanwhile? Run again once it is settled")


def deployment(url, tmp_path):
    path = tmp_path / "server.json"
    known = {"name": "pixels", "output": "logits"}
    facts = {"url": f"{url}/v2/models/vit", "tensors": "binary"}
    path.write_text(json.dumps({"server": facts, "input": known, "outputs": 10}))
    row = Variant("mine", "endpoint", "float32", LIMITS, "")
    architecture = {"image": (3, 32, 32)}
    return endpoint.load(Placement(path, row, "cpu", architecture, 1))


def slow(images):
    time.sleep(0.004)
    return images.reshape(len(images), -1)[:, :10]


@pytest.mark.parametrize(("digits", "runs"), [(None, 2), (1, 1)])
def test_a_response_cache_of_a_server_is_caught_in_every_run(tmp_path, digits, runs):
    """Also one of images that are nearly alike."""
    images, answers = np.random.default_rng(0).normal(size=(3, 3, 32, 32)).astype(np.float32), {}

    def remembering(asked):
        key = (asked if digits is None else asked.round(digits)).tobytes()
        if key not in answers:
            answers[key] = slow(asked)
        return answers[key]

    with running(Served(remembering)) as url:
        for _ in range(runs):  # what the first run sent is remembered, too
            with pytest.raises(WrongOutputs) as told:
                require_no_memory("mine", deployment(url, tmp_path), images, 2, RESPONSES)
            assert "one image over and over is answered" in str(told.value)
            assert str(told.value).endswith("(of Triton `response_cache`, of MLServer "
                                            "`cache_enabled`)")  # fmt: skip


def test_a_server_that_remembers_nothing_passes(tmp_path):
    images = np.random.default_rng(0).normal(size=(3, 3, 32, 32)).astype(np.float32)
    with running(Served(slow)) as url:
        assert require_no_memory("mine", deployment(url, tmp_path), images, 2).calls
