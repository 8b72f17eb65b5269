"""Old reports go, changes stay."""

import json
from pathlib import Path

import pytest

from tests.unit.test_hardware import EPYC, info, plain
from tests.unit.test_store import own_cache, stepped, write  # noqa: F401 - a fixture
from vitbench.cli.main import main
from vitbench.history.store import load
from vitbench.history.trends import trends


def test_changes_survive_thinning_and_nothing_goes_unasked(tmp_path, capsys):
    folder = write(tmp_path / "r", stepped(200, 100, 1.3))
    assert main(["history", "prune", str(folder), "--keep=20d"]) == 0
    named = capsys.readouterr().out.split()
    assert len(list(folder.iterdir())) == 200
    assert 100 < len(named) < 180
    assert main(["history", "prune", str(folder), "--keep=20d", "--delete"]) == 0
    assert len(list(folder.iterdir())) == 200 - len(named)
    history = load(folder)
    (event,) = [event for trend in trends(history) for event in trend.events]
    assert history.runs[event.run].file == "0100.json"


@pytest.mark.parametrize("value", ["365", "-1d", "yd", "1e9d", ""])
def test_days_are_days(value, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["history", "prune", f"--keep={value}"])
    assert stopped.value.code == 4
    assert "365d" in capsys.readouterr().err


def test_delete_wants_keep(tmp_path, capsys):
    write(tmp_path, stepped(2))
    with pytest.raises(SystemExit, match=r"^4$"):
        main(["history", "prune", str(tmp_path), "--delete"])
    assert "required: --keep" in capsys.readouterr().err
    assert json.loads((tmp_path / "0000.json").read_text())


@pytest.mark.parametrize(
    ("words", "instead"),
    [
        (["--html"], "--html is a command now: write `vitbench history page`"),
        (["r", "--csv"], "write `vitbench history export --format=csv`"),
        (["r", "--export=asv"], "write `vitbench history export --format=FORMAT`"),
        (["--import=x"], "write `vitbench history import FILE`"),
        (["--keep=9d", "--delete"], "write `vitbench history prune --keep=Nd`"),
        (["r"], "r: no command: write `vitbench history show`, or one of show, page, export"),
        ([], "a command is missing: write `vitbench history show`"),
    ],
)
def test_history_without_a_command_says_which_one(words, instead, capsys):
    with pytest.raises(SystemExit, match=r"^4$"):
        main(["history", *words])
    assert instead in capsys.readouterr().err


def old(folder, capsys, *more):
    """Deletes what is older than a day, and gives the names of what is there still."""
    code = main(["history", "prune", str(folder), "--keep=1d", "--delete", *more])
    left = {path.relative_to(folder).as_posix() for path in folder.rglob("*.json")}
    return code, left, capsys.readouterr()


def of_another_tool(count):
    """A benchmark a day, of one week, with the names that vitbench gives its own files."""
    for day in range(count):
        yield plain(info(EPYC)) | {"datetime": f"2025-01-0{1 + day}T00:00:00"}


def test_files_of_another_tool_are_left_and_named(tmp_path, capsys):
    write(tmp_path / "a", stepped(7))
    write(tmp_path / "b", of_another_tool(7))
    code, left, told = old(tmp_path, capsys)
    assert code == 0
    assert {f"b/000{i}.json" for i in range(7)} <= left
    assert len(left) == 7 + 4  # of ours: the first of two weeks, and those of the last day
    for i in (2, 3):
        assert f"left: {tmp_path}/b/000{i}.json: another tool wrote it" in told.err
    assert "3 of 14 reports deleted, 3 old ones left" in told.err


def test_a_clock_of_another_tool_makes_nothing_old(tmp_path, capsys):
    write(tmp_path / "a", stepped(3))
    write(tmp_path / "b", [plain(info(EPYC)) | {"datetime": "2099-01-01T00:00:00"}])
    assert main(["history", "prune", str(tmp_path), "--keep=10d", "--delete"]) == 0
    assert "0 of 4 reports deleted" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["mybaselines", "Baselines-arm", "deep/baseline"])
def test_a_folder_of_baselines_is_left(tmp_path, capsys, place):
    write(tmp_path / place, stepped(7))
    write(tmp_path / "history", stepped(9)[7:])
    _, left, told = old(tmp_path, capsys)
    assert len(left) == 9
    assert f"{place}/0002.json: it is in a folder of baselines" in told.err
    _, left, told = old(tmp_path / place, capsys)
    assert len(left) == 7


@pytest.mark.parametrize("where", ["reports/baselines", "r/x/baselines", "mybaselines"])
def test_what_was_accepted_is_left_wherever_a_copy_is(tmp_path, capsys, monkeypatch, where):
    monkeypatch.chdir(tmp_path)
    folder = write(tmp_path / "r" / "x", stepped(7))
    accepted = json.loads((folder / "0003.json").read_text())
    del accepted["benchmarks"][0]  # as of a run of several models, of which each has its own
    (tmp_path / where).mkdir(parents=True)
    (tmp_path / where / "any.json").write_bytes(json.dumps(accepted, indent=1).encode("utf-16"))
    (tmp_path / where / "damaged.json").write_text("{")
    _, left, told = old(folder, capsys)
    assert "0003.json" in left
    assert "0002.json" not in left
    assert "0003.json: it is an accepted baseline" in told.err


def test_a_baseline_is_left_by_its_name_alone(tmp_path, capsys):
    folder = write(tmp_path / "r", stepped(7))
    fingerprint = "0123456789abcdef"
    for name in ("0002", "0003"):
        report = json.loads((folder / f"{name}.json").read_text())
        report["machine_info"]["vitbench"]["fingerprint"] = fingerprint
        (folder / f"{name}.json").write_text(json.dumps(report))
    (folder / "0003.json").rename(folder / f"{fingerprint}.json")
    _, left, told = old(folder, capsys)
    assert f"{fingerprint}.json" in left
    assert "0002.json" not in left
    assert "it has the name of an accepted baseline" in told.err


def test_links_and_read_only_files_are_left(tmp_path, capsys):
    folder = write(tmp_path / "r", stepped(7))
    (folder / "0003.json").rename(tmp_path / "real.json")
    (folder / "0003.json").symlink_to(tmp_path / "real.json")
    (folder / "0004.json").chmod(0o444)
    _, left, told = old(folder, capsys)
    assert {"0003.json", "0004.json"} <= left
    assert "0003.json: it is a link" in told.err
    assert "0004.json: it is read-only" in told.err


def test_a_file_that_changed_meanwhile_is_left(tmp_path, capsys, monkeypatch):
    folder = write(tmp_path / "r", stepped(7))

    def late(history):
        (folder / "0003.json").write_text(json.dumps(stepped(7, commit="b" * 40, at=0)[3]))
        (folder / "0004.json").unlink()
        return trends(history)

    monkeypatch.setattr("vitbench.history.trends.trends", late)
    _, left, told = old(folder, capsys)
    assert "0003.json" in left
    assert "0003.json: it changed since the history was read" in told.err
    assert "0004.json: it cannot be read any more" in told.err
    assert "0002.json" not in left


def test_what_cannot_be_deleted_is_named_and_the_others_go(tmp_path, capsys, monkeypatch):
    folder = write(tmp_path / "r", stepped(7))
    unlink = Path.unlink

    def refuse(path, **options):
        if path.name == "0003.json":
            raise PermissionError(1, "Operation not permitted")
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", refuse)
    code, left, told = old(folder, capsys)
    assert code == 4
    assert "0003.json: cannot delete it: Operation not permitted" in told.err
    assert "1 of 3 old reports could not be deleted" in told.err
    assert "0004.json" not in left


def test_what_the_command_accepted_is_left(tmp_path, capsys, monkeypatch):
    """Both the copy, in a folder of any name, and the report that it was."""
    monkeypatch.chdir(tmp_path)
    folder = write(tmp_path / "r", stepped(7))
    for path in folder.iterdir():
        report = json.loads(path.read_text())
        report["machine_info"]["vitbench"]["fingerprint"] = "0123456789abcdef"
        path.write_text(json.dumps(report))
    assert main(["accept", "r/0003.json", "--baselines=r/kept"]) == 0
    assert main(["accept", "r/0002.json", "--baselines=baselines"]) == 0
    assert main(["accept", "r/0005.json", "--baselines=far/good"]) == 0
    _, left, _ = old(folder, capsys, "--baselines=far/good")
    assert {"0002.json", "0003.json", "0005.json", "kept/0123456789abcdef.json"} <= left
    assert "0004.json" not in left


def test_a_copy_in_another_folder_is_left_with_what_it_is_of(tmp_path, capsys):
    folder = write(tmp_path / "history", stepped(7))
    (tmp_path / "chosen").mkdir()
    (tmp_path / "chosen" / "base.json").write_bytes((folder / "0003.json").read_bytes())
    _, left, told = old(tmp_path, capsys)
    assert {"chosen/base.json", "history/0003.json"} <= left
    assert "history/0002.json" not in left
    assert "history/0003.json is a copy of it, and either may be a baseline" in told.err
