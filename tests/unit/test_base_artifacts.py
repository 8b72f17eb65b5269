"""--base-artifact: whose file it is, and what is said where that cannot be meant."""

import pytest

from vitbench.duet.base.artifacts import given_artifacts, with_artifacts
from vitbench.errors import UserError
from vitbench.runtimes.base import Variant
from vitbench.runtimes.variants import VARIANTS


def row(name, artifact=None):
    return Variant(name, "openvino", "int8", VARIANTS[0].limits, "", artifact=artifact)


SHIPPED, OTHER, BUILT = row("shipped", "/head/vit.xml"), row("other", "/head/o.xml"), row("built")


@pytest.fixture
def files(tmp_path):
    for name in ("old.xml", "a=b.xml", "old.bin", "text.txt"):
        (tmp_path / name).write_text("<net>")
    return tmp_path


@pytest.mark.parametrize(
    ("texts", "rows", "found"),
    [
        (["old.xml"], [SHIPPED, BUILT], {"shipped": "old.xml"}),
        (["shipped=old.xml"], [SHIPPED], {"shipped": "old.xml"}),
        (["./a=b.xml"], [SHIPPED], {"shipped": "a=b.xml"}),
        (["other=old.xml", "shipped=a=b.xml"], [SHIPPED, OTHER],
         {"other": "old.xml", "shipped": "a=b.xml"}),
        ([], [], {}),
    ],
)  # fmt: skip
def test_whose_file_it_is(files, texts, rows, found):
    given = given_artifacts(texts, rows, files)
    assert {name: path.relative_to(files).as_posix() for name, path in given.items()} == found


@pytest.mark.parametrize(
    ("texts", "rows", "words"),
    [
        (["old.xml"], [BUILT], "no variant of the project has an artifact"),
        (["old.xml"], [SHIPPED, OTHER],
         "several variants have an artifact: write one of shipped=FILE, other=FILE"),
        (["shiped=old.xml"], [SHIPPED], "shiped is no variant with an artifact: nearest: shipped"),
        (["built=old.xml"], [SHIPPED, BUILT], "built is no variant with an artifact"),
        (["old.xml", "shipped=old.xml"], [SHIPPED], "shipped has a file already: give one alone"),
        (["none.xml"], [SHIPPED], "none.xml does not exist: give base's file of shipped"),
        (["."], [SHIPPED], ". is a folder: give base's file of shipped"),
        (["text.txt"], [SHIPPED], "artifact text.txt: the runtime openvino reads .xml and .onnx"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_one_sentence(files, texts, rows, words):
    with pytest.raises(UserError) as caught:
        given_artifacts(texts, rows, files)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"--base-artifact={texts[-1]}: ")


def test_bases_variants_have_the_files(tmp_path):
    given = {"shipped": tmp_path / "old.xml"}
    ours = row("shipped", "/base/vit.xml")
    found = with_artifacts([ours, BUILT], [SHIPPED, OTHER, BUILT], given)
    assert [(each.name, each.artifact) for each in found] == [
        ("shipped", str(tmp_path / "old.xml")), ("built", None),
    ]  # fmt: skip
    # A variant that is new in head, or was built otherwise in base.
    (new,) = with_artifacts([], [SHIPPED, OTHER], given)
    assert (new.name, new.artifact) == ("shipped", str(tmp_path / "old.xml"))
    assert with_artifacts([BUILT], [SHIPPED], {}) == (BUILT,)
