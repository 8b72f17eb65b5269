"""A full disk is a sentence; what fails for another reason keeps its own."""

import pytest

from vitbench.build import full_disk
from vitbench.build.full_disk import temporary_space
from vitbench.errors import Unavailable, UserError


def test_a_write_to_a_full_disk_is_a_sentence(tmp_path):
    with (
        pytest.raises(UserError, match="no space is left for temporary files: free some there"),
        temporary_space(tmp_path),
        open("/dev/full", "wb", buffering=0) as file,
    ):
        file.write(b"x")


def test_a_library_s_own_words_on_a_full_disk_are_a_sentence_too(tmp_path, monkeypatch):
    monkeypatch.setattr(full_disk, "FULL_BYTES", 10**18)
    with pytest.raises(UserError, match="no space is left"), temporary_space(tmp_path):
        raise RuntimeError("enforce fail at inline_container.cc: unexpected pos 64 vs 0")
    with pytest.raises(Unavailable, match="not here"), temporary_space(tmp_path):
        raise Unavailable("not here")


def test_another_error_stays_as_it_is(tmp_path):
    with pytest.raises(RuntimeError, match="unexpected pos"), temporary_space(tmp_path):
        raise RuntimeError("unexpected pos 64 vs 0")
