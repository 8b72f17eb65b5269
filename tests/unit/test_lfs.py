"""A pointer of Git LFS in place of a file: found, and one sentence wherever a file is read."""

import hashlib

import pytest

from tests.helpers.repositories import pointer
from vitbench import lfs
from vitbench.errors import UserError
from vitbench.measure.folder import Listing
from vitbench.measure.images import read_image
from vitbench.measure.label_file import labelled
from vitbench.models.checkpoint import read_checkpoint
from vitbench.models.labels import given
from vitbench.runtimes import foreign
from vitbench.runtimes.base import Variant
from vitbench.runtimes.variants import VARIANTS


def test_a_pointer_names_what_it_stands_for(tmp_path):
    path = tmp_path / "model.pth"
    path.write_bytes(pointer(b"weights"))
    assert lfs.pointer_of(path) == lfs.Pointer(hashlib.sha256(b"weights").hexdigest())
    path.write_bytes(pointer(b"weights").replace(b"oid", b"old"))
    assert lfs.pointer_of(path) == lfs.Pointer("")
    for content in (b"", b"version 1", b"weights"):
        path.write_bytes(content)
        assert lfs.pointer_of(path) is None
        lfs.require_content(path)
    assert lfs.pointer_of(tmp_path) is lfs.pointer_of(tmp_path / "none") is None


@pytest.mark.parametrize("kind", ["checkpoint", "labels", "label file", "image", "artifact"])
def test_what_reads_a_file_says_how_to_fetch_it(tmp_path, kind):
    path = tmp_path / "file.onnx"
    path.write_bytes(pointer(b"content"))
    shipped = Variant("shipped", "onnxruntime", "int8", VARIANTS[0].limits, "", artifact=str(path))
    reads = {
        "checkpoint": lambda: read_checkpoint(path),
        "labels": lambda: given(str(path), (2,), "mine"),
        "label file": lambda: labelled(Listing(tmp_path, "--images", {}), path),
        "image": lambda: read_image(path),
        "artifact": lambda: foreign.require_definition(shipped),
    }  # fmt: skip
    with pytest.raises(UserError, match=r"file\.onnx is a pointer of Git LFS.*git lfs pull"):
        reads[kind]()
    if kind == "artifact":
        with pytest.raises(UserError, match=r"^file\.onnx is a pointer of Git LFS"):
            foreign.files(shipped)
