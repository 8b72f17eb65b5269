"""Errors of base about a file that lies in head's tree alone, in the words of those who open it."""

import pytest

from tests.helpers.repositories import Repository
from vitbench.duet.base.missing_file import missing_in_base
from vitbench.duet.base.side import Side

RAISES = "pyproject.toml: the model 'mine' raises FileNotFoundError: "


@pytest.fixture
def sides(tmp_path):
    """Base and head, whose tree has a file that git does not track."""
    head = Repository(tmp_path / "head")
    head.write("w/tiny one.bin", "weights")
    (tmp_path / "base").mkdir()
    return [
        Side(name, "python", tmp_path, top=tmp_path / name, cwd=tmp_path / name)
        for name in ("base", "head")
    ]


@pytest.mark.parametrize(
    "said",
    [
        "[Errno 2] No such file or directory: 'w/tiny one.bin' (acme/vision.py, line 13)",
        "No such file or directory: w/tiny one.bin (acme/vision.py, line 13)",  # safetensors
        "No such file or directory: w/tiny one.bin",
    ],
)
def test_the_file_is_named_and_what_to_do(sides, said):
    assert missing_in_base(RAISES + said, *sides) == (
        ". This is base's tree, and git does not track w/tiny one.bin: name the file as "
        "`checkpoint` of the model in [tool.vitbench.models], then both sides take the one that "
        "is here"
    )


@pytest.mark.parametrize(
    "said", ["No such file or directory: w/none.bin (a.py, line 1)", "no weights of w/tiny one.bin"]
)
def test_another_error_gets_no_such_advice(sides, said):
    assert missing_in_base(RAISES + said, *sides) == ""
