"""Joules of calls, from a planted powercap tree whose counters move as calls are made."""

import os

import pytest

from tests.helpers.reports import TINY, benchmark_of, report_of
from vitbench.errors import Unavailable
from vitbench.measure.energy import Rapl, energy_of
from vitbench.report.fields import FIELD
from vitbench.report.reader import misfits, rows
from vitbench.runtimes import Deployment
from vitbench.show.table import table

MOST = 1000.0


class Machine:
    """Two packages, and what is no package, in a folder; a call takes 3 J and a second."""

    def __init__(self, root):
        self.root, self.seconds, self.joules = root, 0.0, [10.0, 999.0]
        for number, name in enumerate(("package-0", "package-1", "psys")):
            folder = root / f"intel-rapl:{number}"
            folder.mkdir()
            (folder / "name").write_text(f"{name}\n")
            (folder / "max_energy_range_uj").write_text(f"{MOST * 1e6:.0f}\n")
            (folder / "energy_uj").write_text("7")
        (root / "intel-rapl:0:0").mkdir()
        (root / "intel-rapl:0:0" / "name").write_text("core\n")
        (root / "dtpm").mkdir()
        self.write()

    def write(self):
        for number, joules in enumerate(self.joules):
            file = self.root / f"intel-rapl:{number}" / "energy_uj"
            file.write_text(f"{joules % MOST * 1e6:.0f}\n")

    def call(self, _):
        self.seconds += 1.0
        self.joules = [self.joules[0] + 2.0, self.joules[1] + 1.0]
        self.write()


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_joules_of_both_packages_are_counted_over_the_calls(machine):
    deployment = Deployment(lambda x: x, machine.call, lambda x: x)
    found = energy_of(deployment, None, 8, Rapl(machine.root), 5.0, lambda: machine.seconds)
    # The counter of the second package begins again at 1,000 J meanwhile.
    assert found == {
        "joules_per_image": pytest.approx(3.0 / 8), "source": "RAPL package-0, package-1",
        "calls": 5, "seconds": 5.0,
    }  # fmt: skip


def test_a_machine_that_does_not_count_says_why(machine, tmp_path, monkeypatch):
    with pytest.raises(Unavailable, match="has no package of RAPL: the machine does not count"):
        Rapl(tmp_path / "none")
    still = Deployment(lambda x: x, lambda _: None, lambda x: x)
    with pytest.raises(Unavailable, match="package-1 counted nothing in 3 calls"):
        energy_of(still, None, 1, Rapl(machine.root), 0.0)
    file = machine.root / "intel-rapl:1" / "energy_uj"
    file.write_text("no number")
    with pytest.raises(Unavailable, match="RAPL cannot be read"):
        Rapl(machine.root)
    if os.getuid() == 0:  # root reads what nobody else may

        def refused(path):
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr("vitbench.measure.energy._joules", lambda path: (
            1.0 if path.name == "max_energy_range_uj" else refused(path)
        ))  # fmt: skip
    else:
        file.chmod(0)
    with pytest.raises(Unavailable, match="energy_uj may be read by root alone"):
        Rapl(machine.root)


def test_a_report_has_the_energy_or_the_reason_once():
    benchmarks = [benchmark_of(f"{TINY}/{name}/cpu/b1") for name in ("fp32", "int8-dynamic")]
    for each in benchmarks:
        each["extra_info"]["left_out"] = {"energy": "this machine does not count"}
    report = report_of(*benchmarks)
    assert table(report, None).count("energy: not measured: this machine does not count") == 1
    benchmarks[0]["extra_info"]["energy"] = {
        "joules_per_image": 0.25, "source": "RAPL package-0", "calls": 5, "seconds": 1.0,
    }  # fmt: skip
    assert misfits(report) == ("", {})
    assert FIELD["energy"].value(rows(report)[0].benchmarks) == 0.25
    assert "energy of an image J" in table(report, None)
