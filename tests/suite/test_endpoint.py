"""What is deployed already: measured and verified by the protocol, against a real HTTP server."""

import socket
import time
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.inference_server import Served, running
from vitbench.build import identity
from vitbench.case import Case
from vitbench.errors import Unavailable, UserError, WrongOutputs
from vitbench.measure.measuring import measure_footprint, measure_in_pairs
from vitbench.measure.options import Options
from vitbench.measure.session import Session
from vitbench.models import load_model, parse_spec
from vitbench.project.endpoints import with_endpoints
from vitbench.project.project import Project
from vitbench.project.variants import read_variants
from vitbench.pyproject import read_pyproject
from vitbench.runtimes import endpoint
from vitbench.runtimes.endpoint.address import address_of

SPEC = "vit=timm:vit_tiny_patch16_224,img_size=32,depth=2,embed_dim=32,num_heads=2,num_classes=10"


@pytest.fixture(scope="module")
def model():
    return load_model(parse_spec(SPEC, Path()), "seeded")


@pytest.fixture(scope="module")
def logits(model):
    """What the model answers, as a server would compute it."""
    import torch

    def answer(images):
        with torch.inference_mode():
            return model.module(torch.from_numpy(np.array(images, np.float32))).numpy()

    return answer


@pytest.fixture
def served(logits):
    return Served(logits)


@pytest.fixture
def session(cache):
    """A session of the model with endpoints, by the values of the option."""

    def make(*texts):
        project = with_endpoints(Project(Path()), texts, ["vit"])
        spec = parse_spec(SPEC, Path())
        run = Session(
            Options(
                models=(spec,), weights="seeded", threads=1, cache=cache, verify_images=16,
                seconds=0.05, project_variants=project.variants,
            ),
        )  # fmt: skip
        run.figures.measured_peaks["cpu"] = {"fp32": 1e11}  # to measure it takes seconds
        return run

    return make


def case(variant="endpoint", batch=1):
    return Case("vit", variant, "cpu", batch)


@pytest.mark.parametrize("binary", [True, False])
def test_what_is_deployed_is_verified_and_timed_beside_the_local_variants(session, served, binary):
    served.binary = binary
    with running(served) as url:
        run = session(url)
        found = measure_in_pairs(run, case(), 4).to_json()
        assert found["agreement"]["relative_error"] < 1e-6
        assert found["agreement"]["state"] != "BROKEN"
        assert found["reference"]["variant"] == "fp32"
        assert len(found["reference"]["rounds"]) >= 4
        assert found["outputs"]["case"]["compared"] > 2
        assert found["left_out"]["operations"].startswith("a running server")
        about = found["artifact"]["server"]
        assert about == {
            "url": f"{url}/v2/models/vit", "software": "small 1.0", "platform": "numpy",
            "tensors": "binary" if binary else "JSON",
        }  # fmt: skip
        assert found["artifact"]["bytes"] is found["artifact"]["build_seconds"] is None
        assert served.connections < 6 < served.inferred  # they stay open
        with pytest.raises(Unavailable, match="its memory and its start are not seen"):
            measure_footprint(run, case())


def test_a_wrong_model_is_broken_and_costs_no_other_case(session, served, logits):
    served.answer = lambda images: logits(images[:, ::-1])  # red and blue are swapped
    with running(served) as url, running(Served(logits)) as right:
        run = session(f"wrong={url}", f"right={right}")
        assert run.verify(case("wrong")).agreement.state == "BROKEN"
        with pytest.raises(UserError, match="BROKEN"):
            measure_in_pairs(run, case("wrong"), 4)
        assert run.verify(case("right")).agreement.state != "BROKEN"


def test_what_was_deployed_yesterday_is_asked_again_today(session, served, logits, monkeypatch):
    with running(served) as url:
        assert session(url).verify(case()).agreement.state != "BROKEN"
        served.answer = lambda images: logits(images[:, ::-1])
        monkeypatch.setattr(identity, "RUN", "another run")
        assert session(url).verify(case()).agreement.state == "BROKEN"


def test_a_model_that_is_replaced_while_it_is_timed_is_not_timed(session, served, logits):
    def replaced(images):
        return logits(images if served.inferred < 25 else images[:, ::-1])

    served.answer = replaced
    with running(served) as url:
        run = session(url)
        assert run.verify(case()).agreement.state != "BROKEN"
        with pytest.raises(WrongOutputs, match="are not those that were verified"):
            measure_in_pairs(run, case(), 60)


def test_a_server_that_remembers_responses_is_not_timed(session, served, logits):
    answers = {}

    def remembering(images):
        if images.tobytes() not in answers:
            time.sleep(0.02)
            answers[images.tobytes()] = logits(images)
        return answers[images.tobytes()]

    served.answer = remembering
    with running(served) as url:
        words = said(lambda: measure_in_pairs(session(url), case(), 4))
        assert "switch its response cache off for this model" in words


def test_answers_that_differ_in_rounding_are_those_that_were_verified(session, served, logits):
    def joined(images):
        """As a server that computes a request in whatever batch it came."""
        noise = 1e-6 if served.inferred % 7 == 0 else 0.0
        return logits(images) * np.float32(1 + noise)

    served.answer = joined
    with running(served) as url:
        assert not measure_in_pairs(session(url), case(), 20).outputs.case.repeatable


@pytest.fixture
def asked(model, tmp_path):
    """The runtime alone: what it says of a server; `answer` calls what it learned."""

    def ask(url, seconds=30.0, images=0, **described):
        text = f"{url},limits=rebuilt"
        (row,) = with_endpoints(Project(Path()), [text], ["vit"]).variants
        row = row.__class__(**{
            **row.__dict__, "input": described, "options": {"url": url, "seconds": seconds},
        })  # fmt: skip
        path = tmp_path / "server.json"
        found = endpoint.build(model, row, path, None)
        if images:
            from vitbench.runtimes import Placement

            placement = Placement(path, row, "cpu", model.architecture, 1)
            return endpoint.load(placement).logits(np.zeros((images, 3, 32, 32), np.float32))
        return found

    return ask


def said(work):
    with pytest.raises((UserError, Unavailable)) as told:
        work()
    return str(told.value)


def test_a_server_that_is_not_there_is_one_sentence(asked):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    words = f"endpoint: no server answers at {url} (Connection refused): start the server, or corr"
    assert said(lambda: asked(url)).startswith(words)


def test_a_server_that_stops_answering_is_one_sentence_within_the_limit(asked, served):
    with running(served) as url:
        served.hangs.set()
        words = said(lambda: asked(url, seconds=0.2))
        assert words.startswith(f"endpoint: {url}/v2/health/ready gave no answer within 0.2 s")
        served.hangs.clear()
        served.trickles = True  # a byte now and then is no answer either
        words = said(lambda: asked(url, seconds=0.5))
        assert words.startswith(f"endpoint: {url}/v2/models/vit/infer gave no answer within 0.5 s")


def test_a_server_that_hung_is_asked_again_when_it_is_ready(served):
    from vitbench.runtimes.endpoint import client, protocol

    staged = protocol.encoded(np.zeros((1, 3, 32, 32), np.float32), "pixels", "FP32", True, None)
    with running(served) as url:
        caller = client.Client(address_of(f"{url}/v2/models/vit"), 0.2, "mine", 10)
        served.hangs.set()
        words = said(lambda: caller.infer(staged))
        served.dies = True
        served.hangs.clear()
        assert said(lambda: caller.infer(staged)) == words  # no second wait, the same sentence
        served.dies = False
        assert caller.infer(staged).status == 200


def test_a_server_that_dies_is_one_sentence(asked, served):
    with running(served) as url:
        assert asked(url)
        served.dies = True
        words = said(lambda: asked(url))
        assert words.endswith("closed the connection without an answer: did the server die?")


def test_a_dead_server_in_the_rounds_costs_its_case_alone(session, served, logits):
    def dying(images):
        served.dies = served.inferred > 30
        return logits(images)

    served.answer = dying
    with running(served) as url:
        run = session(url)
        words = said(lambda: measure_in_pairs(run, case(), 60))
        assert "closed the connection without an answer" in words
        assert measure_in_pairs(run, case("fp32"), 4).seconds


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "other"}, "/v2/models/vit answered 404: Model vit not found: is there a model"),
        ({"ready": False}, "/v2/health/ready answered 503: the server is not ready"),
        ({"shape": (-1, 32, 32, 3)}, 'write input = { layout = "NHWC" }'),
        ({"shape": (-1, 3, 64, 64)}, "write input = { size = [64, 64] }"),
        ({"datatype": "UINT8"}, 'write input = { dtype = "uint8", mean = ['),
        ({"datatype": "INT64"}, "its input 'pixels' is INT64: vitbench gives float32, float16"),
        ({"answer": lambda images: np.zeros((len(images), 7))}, "none of its outputs ('logits' 2"),
        ({"status": 500}, "answered 500: broken"),
    ],
)
def test_what_does_not_fit_is_one_sentence(asked, served, changes, words):
    for name, value in changes.items():
        setattr(served, name, value)
    with running(served) as url:
        assert words in said(lambda: asked(url))


def test_a_batch_that_the_server_refuses_is_unavailable_and_a_fault_is_not(asked, served):
    with running(served) as url:
        served.most = 2
        assert asked(url, images=2).shape == (2, 10)
        with pytest.raises(Unavailable, match=r"answered 400: batch 8 is over 2 \(a batch of 8\)"):
            asked(url, images=8)


def test_a_server_that_is_none_of_the_protocol_is_one_sentence(asked):
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    class Pages(SimpleHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        words = said(lambda: asked(f"http://127.0.0.1:{server.server_port}"))
    finally:
        server.shutdown()
        server.server_close()
    assert words.endswith(
        "answered with no JSON: is it a server of the Open Inference Protocol v2?"
    )


def test_pixels_and_half_precision_reach_the_server_as_it_takes_them(asked, served):
    seen = []

    def answer(images):
        seen.append(images)
        return np.zeros((len(images), 10), np.float32)

    served.answer, served.datatype, served.shape = answer, "UINT8", (-1, 32, 32, 3)
    half = {"mean": [0.5] * 3, "std": [0.5] * 3}
    with running(served) as url:
        asked(url, images=1, layout="NHWC", dtype="uint8", **half)
        assert (seen[-1].dtype, seen[-1].shape) == (np.uint8, (1, 32, 32, 3))
        assert set(seen[-1].ravel().tolist()) == {128}  # 0 of the model is mid-grey
        served.datatype, served.shape = "FP16", (-1, 3, 32, 32)
        asked(url, images=1, dtype="float16")
        assert seen[-1].dtype == np.float16


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://h:8000", "/v2/models/vit/infer"),
        ("http://h:8000/", "/v2/models/vit/infer"),
        ("https://h/models/a", "/models/a/v2/models/vit/infer"),
        ("http://h/v2/models/deit", "/v2/models/deit/infer"),
        ("http://h/x/v2/models/deit/versions/3/infer", "/x/v2/models/deit/versions/3/infer"),
        ("http://h/v2/models/a%20b", "/v2/models/a%20b/infer"),
        ("http://[::1]:9/v2", "/v2/models/vit/infer"),
    ],
)
def test_a_url_names_server_and_model(url, path):
    assert address_of(url).with_model("vit").path("infer") == path
    assert address_of(str(address_of(url))) == address_of(url)


@pytest.mark.parametrize(
    "url",
    ["h:8000", "ftp://h", "http://", "http://h:x", "http://a:b@h", "http://h?x", "http://h/v2/m"],
)
def test_what_is_no_url_is_refused(url):
    with pytest.raises(UserError):
        address_of(url)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (["localhost:8000"], "no URL of a server: give http://HOST:PORT or"),
        (["http://h,limit=int8"], "'limit=int8' is none of limits=, precision=, model="),
        (["http://h,limits=int9"], "limits"),
        (["a b=http://h"], "a name may hold letters"),
        (["http://h", "http://i"], "a variant 'endpoint' already: write --endpoint=NAME=http://i"),
        (["http://h,model=vot"], "model = 'vot' is unknown: nearest: vit"),
    ],
)
def test_a_value_that_cannot_be_meant_is_one_sentence(texts, words):
    with pytest.raises(UserError) as told:
        with_endpoints(Project(Path()), texts, ["vit"])
    assert words in str(told.value)


def test_limits_and_model_of_an_endpoint():
    (row,) = with_endpoints(Project(Path()), ["big=http://h,limits=int8"], ["vit"]).variants
    assert (row.name, row.precision, row.limits.agreement, row.model) == (
        "big",
        "int8",
        0.96,
        "vit",
    )
    with pytest.raises(UserError, match="its server belongs to one of several models"):
        with_endpoints(Project(Path()), ["http://h"], ["vit", "deit"])


def test_a_project_names_its_servers_in_its_table(tmp_path):
    path = tmp_path / "pyproject.toml"
    text = '[tool.vitbench.variants.deployed]\nruntime = "endpoint"\nlimits = "int8"\n'
    path.write_text(f'{text}options = {{ url = "http://h/v2/models/m", seconds = 5 }}\n')
    (row,) = read_variants(read_pyproject(path, "variants"), ["vit"])
    assert (row.served, row.model, row.options["seconds"]) == (True, "vit", 5)
    path.write_text(text)
    with pytest.raises(UserError, match="the runtime endpoint needs the option 'url'"):
        read_variants(read_pyproject(path, "variants"), ["vit"])
