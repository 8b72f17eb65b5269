"""A repository of the hub is downloaded by huggingface_hub's own client, and then cached."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.conftest import ROOT
from tests.suite.test_timm import made

CODE = """
from pathlib import Path
from vitbench.errors import UserError
from vitbench.models import load_model, parse_spec
try:
    weights = load_model(parse_spec("hf-hub:acme/vit", Path()), None).weights
    print(weights.origin, weights.note, weights.sha256, sep="|")
except UserError as error:
    print(error)
"""


class Hub(BaseHTTPRequestHandler):
    """Serves a folder's files as the hub serves those of acme/vit."""

    def __init__(self, folder: Path, *args):
        self.folder = folder
        super().__init__(*args)

    def do_GET(self):
        place, _, name = self.path.partition("/resolve/main/")
        file = self.folder / name
        known = place == "/acme/vit" and file.is_file()
        content = file.read_bytes() if known else b""
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", hashlib.sha256(content).hexdigest())
        if not known:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def do_HEAD(self):
        self.do_GET()

    def log_message(self, *_):
        pass


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, folder))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def loaded(home: Path, endpoint: str, offline: str = "0") -> str:
    environment = {
        **os.environ, "HF_HOME": str(home), "HF_ENDPOINT": endpoint, "HF_HUB_OFFLINE": offline,
        "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1",
    }  # fmt: skip
    environment.pop("HF_HUB_CACHE", None)
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, cwd=ROOT, text=True, capture_output=True,
        timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-800:]
    return done.stdout.splitlines()[-1]


@pytest.mark.thorough
def test_what_is_not_cached_is_downloaded_once(tmp_path):
    folder, home = made(tmp_path / "repository", img_size=64), tmp_path / "home"
    nowhere = loaded(home, "http://127.0.0.1:9")
    assert nowhere.startswith("--model hf-hub:acme/vit: acme/vit is not in the hub's cache")
    assert "the hub does not answer" in nowhere
    with serving(folder) as endpoint:
        origin, note, sha256 = loaded(home, endpoint).split("|")
    assert (origin, note) == ("pretrained", "acme/vit")
    assert loaded(home, "http://127.0.0.1:9", "1") == f"pretrained|acme/vit, cached|{sha256}"
    (folder / "model.safetensors").unlink()
    with serving(folder) as endpoint:
        assert "acme/vit has none of model.safetensors" in loaded(tmp_path / "other", endpoint)
