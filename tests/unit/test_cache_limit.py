"""`--cache-limit` and VITBENCH_CACHE_LIMIT, from what was written to what is deleted."""

from dataclasses import replace

import pytest
from PIL import Image

from tests.helpers.repositories import Repository
from vitbench.build.artifacts import LIMIT_BYTES
from vitbench.cli.main import main
from vitbench.errors import UserError
from vitbench.measure.options import Options, cache_limit
from vitbench.measure.session import Session
from vitbench.models import parse_specs


@pytest.fixture
def options(tmp_path):
    return Options(
        models=parse_specs(["deit_tiny_patch16_224"], tmp_path), weights=None, images=None,
        variants=(), reference="fp32", device="cpu", batches=(), threads=1, seconds=0.5,
        build_seconds=5.0, profile=False, calibration=None, verify_images=4,
        cache=tmp_path / "cache", rebuild=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10GB", 10**10), ("1.5 GiB", 3 * 2**29), ("500MB", 5 * 10**8), ("20 kB", 20_000),
        ("0.5KiB", 512), (" 2MiB ", 2**21),
    ],
)  # fmt: skip
def test_a_size_is_a_number_and_a_unit(monkeypatch, text, size):
    assert cache_limit(text) == size
    monkeypatch.setenv("VITBENCH_CACHE_LIMIT", text)
    assert cache_limit(None) == size
    assert cache_limit("1kB") == 1000


@pytest.mark.parametrize(
    "text", ["", "10", "GB", "10gb", "10TB", "0GB", "-1GB", "nanGB", "1e3MB", "10 GB or so",
             "9" * 400 + "GB"],
)  # fmt: skip
def test_what_is_no_size_is_named(monkeypatch, text):
    with pytest.raises(UserError, match=r"--cache-limit=.*: not a size: .* kB, .* such as 10GB"):
        cache_limit(text)
    monkeypatch.setenv("VITBENCH_CACHE_LIMIT", text)
    if text:
        with pytest.raises(UserError, match="VITBENCH_CACHE_LIMIT="):
            cache_limit(None)


def test_without_either_it_is_ten(monkeypatch):
    for value in (None, ""):
        monkeypatch.delenv("VITBENCH_CACHE_LIMIT", raising=False)
        if value is not None:
            monkeypatch.setenv("VITBENCH_CACHE_LIMIT", value)
        assert cache_limit(None) == LIMIT_BYTES == 10 * 2**30


def test_the_limit_travels_to_the_session_and_to_other_processes(options):
    limited = replace(options, cache_limit_bytes=12345)
    assert Session(limited).cache.limit_bytes == 12345
    assert Options.from_json(limited.to_json()) == limited


def test_a_version_of_before_this_option_takes_the_others(options):
    limited = replace(options, cache_limit_bytes=12345)
    known = [name for name in Options.names() if name != "cache_limit_bytes"]
    assert limited.set_beyond(known) == []
    assert Options.from_json(limited.to_json(known)) == options


@pytest.mark.parametrize(
    "command", ["predict x.png", "package fp32 -o out", "duet --against=HEAD", "aa-run"]
)
def test_every_command_that_takes_a_cache_takes_its_limit(capsys, command, tmp_path, monkeypatch):
    repository = Repository(tmp_path / "r")
    repository.commit("a")
    monkeypatch.chdir(repository.folder)
    Image.new("RGB", (8, 8)).save("x.png")
    assert main([*command.split(), "--cache-limit=lots"]) == 4
    assert "--cache-limit=lots: not a size" in capsys.readouterr().err


def test_pytest_takes_it_too(pytestconfig):
    assert pytestconfig.getoption("--cache-limit") is None
