"""How the command ends where it cannot begin."""

import pytest

from vitbench.cli import duet
from vitbench.cli.main import main
from vitbench.place import install


def missing(name):
    def play(_):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    return play


def test_a_missing_package_is_named_and_is_no_verdict(monkeypatch, capsys):
    """Exit code 1 is that of a regression."""
    monkeypatch.setattr(duet, "play", missing("torch.nn"))
    assert main(["duet", "--against=HEAD"]) == 4
    assert capsys.readouterr().err == (
        f"vitbench: error: this command needs torch, which is not installed: {install('suite')}\n"
    )


def test_a_missing_module_of_vitbench_is_a_fault_of_it(monkeypatch):
    monkeypatch.setattr(duet, "play", missing("vitbench.nothing"))
    with pytest.raises(ModuleNotFoundError):
        main(["duet", "--against=HEAD"])


def test_the_old_name_of_package_names_the_new_one(capsys):
    with pytest.raises(SystemExit, match=r"^4$"):
        main(["export", "fp32", "-o", "out"])
    assert capsys.readouterr().err == (
        "vitbench: error: `vitbench export` is `vitbench package` now\n"
    )
