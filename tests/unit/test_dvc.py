"""What DVC records of a file, read from its own files."""

import hashlib
import json
from pathlib import Path

import pytest

from vitbench.duet.base import dvc

OUT = """outs:
- md5: d41d8cd98f00b204e9800998ecf8427e
  size: 5
  hash: md5
  path: model.pth
"""
LOCK = """schema: '2.0'
stages:
  data:
    cmd: python data.py
    outs:
    - path: data
      hash: md5
      md5: 0a0a.dir
      size: 12
      nfiles: 2
  train:
    cmd: python train.py
    deps:
    - path: data
      hash: md5
      md5: 0a0a.dir
    params:
      params.yaml:
        seed: 1
    outs:
    - path: out/best model.pth
      hash: md5
      md5: 1b1b
"""


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("path", "md5"),
    [
        ("out/model.pth", "d41d8cd98f00b204e9800998ecf8427e"),
        ("apps/out/best model.pth", "1b1b"),
        ("apps/data", "0a0a.dir"),
        ("out/other.pth", None),
        ("apps/out/model.pth", None),
        ("apps/params.yaml", None),
    ],
)
def test_what_is_recorded(tmp_path, path, md5):
    write(tmp_path / "out" / "model.pth.dvc", OUT)
    write(tmp_path / "apps" / "dvc.lock", LOCK)
    assert dvc.recorded(tmp_path, Path(path), tmp_path) == md5


def test_a_file_of_a_folder_is_known_where_the_list_was_fetched(tmp_path):
    write(tmp_path / "apps" / "dvc.lock", LOCK)
    file = Path("apps/data/labels.txt")
    assert dvc.recorded(tmp_path, file, tmp_path) == "0a0a.dir"
    rows = json.dumps([{"md5": "2c2c", "relpath": "labels.txt"}])
    listed = write(tmp_path / ".dvc/cache/files/md5/0a/0a.dir", rows)
    assert dvc.cached(tmp_path, "0a0a.dir") == listed
    assert dvc.recorded(tmp_path, file, tmp_path) == "2c2c"


def test_the_cache_lies_where_the_settings_say(tmp_path):
    md5 = hashlib.md5(b"weights").hexdigest()
    assert dvc.cached(tmp_path, md5) is None
    old = write(tmp_path / "store" / md5[:2] / md5[2:], "weights")
    assert dvc.cached(tmp_path, md5) is None
    write(tmp_path / ".dvc/config", "[core]\n    remote = s3\n[cache]\n    dir = ../store\n")
    assert dvc.cached(tmp_path, md5).resolve() == old
    assert dvc.md5_of(old) == md5
