"""Old reports go, changes stay."""

import json

import pytest

from vitbench.cli import main
from vitbench.judge.store import load
from vitbench.judge.trends import trends
from vitbench.tests.test_store import own_cache, stepped, write  # noqa: F401 - a fixture


def test_changes_survive_thinning_and_nothing_goes_unasked(tmp_path, capsys):
    folder = write(tmp_path / "r", stepped(200, 100, 1.3))
    assert main(["history", str(folder), "--keep=20d"]) == 0
    named = capsys.readouterr().out.split()
    assert len(list(folder.iterdir())) == 200
    assert 100 < len(named) < 180
    assert main(["history", str(folder), "--keep=20d", "--delete"]) == 0
    assert len(list(folder.iterdir())) == 200 - len(named)
    history = load(folder)
    (event,) = [event for trend in trends(history) for event in trend.events]
    assert history.runs[event.run].file == "0100.json"


@pytest.mark.parametrize("value", ["365", "-1d", "yd", "1e9d", ""])
def test_days_are_days(value, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["history", f"--keep={value}"])
    assert stopped.value.code == 4
    assert "365d" in capsys.readouterr().err


def test_delete_wants_keep(tmp_path, capsys):
    write(tmp_path, stepped(2))
    assert main(["history", str(tmp_path), "--delete"]) == 4
    assert "--keep=365d" in capsys.readouterr().err
    assert json.loads((tmp_path / "0000.json").read_text())
