"""The table of fields against a report: each row finds the figure it names."""

import csv
import io
import json
import subprocess
import sys

import pytest

from tests.helpers.load_rows import loaded
from tests.helpers.reports import TINY, benchmark_of, report_of
from vitbench.report.fields import FIELD
from vitbench.report.reader import rows

CASE = f"{TINY}/int8-dynamic/cpu/b8"
EXPECTED = {
    "median": 20, "p95": 24, "p99": 26, "speedup": 3.42, "throughput": 8 / 0.02,
    "agreement": 99.6, "top1": 71.2, "size": 6.5, "peak": 25,
    "build": 1.5, "load": 0.25, "first": 80,
    "memory": 612, "gpu_memory": 300, "preprocess": 3, "stage": 0.4, "device": 18,
    "operations": 10**10, "peak_per_second": 2e12, "error": 0.03, "cosine": 0.9987,
    "photo": 9, "photo_speedup": 1.8, "front_share": 35,
    "images_per_unit": 14_400_000, "requests_per_unit": 720_000, "price_per_hour": 0.1,
    "energy": 0.25, "single_stream_p90": 9, "offline": 61.5, "server_rate": 40, "server_p99": 13.5,
    "latency_bound": 15, "server_queries": 320,
}  # fmt: skip

PHOTO = {
    "stats": {"median": 9e-3},
    "extra_info": {"ratio": {"speedup": 1.8, "low": 1.7, "high": 1.9}, "front_share": 0.35},
}


@pytest.fixture
def full():
    benchmarks = [benchmark_of(CASE, group) for group in ("latency", "throughput", "footprint")]
    benchmarks[2]["extra_info"]["cuda_peak_bytes"] = 300_000_000
    benchmarks[0]["extra_info"]["stages"] = {
        "preprocess_seconds": 3e-3, "stage_seconds": 4e-4, "device_seconds": 18e-3,
    }  # fmt: skip
    benchmarks[0]["extra_info"]["agreement"] |= {"error": 0.03, "centred_cosine": 0.9987}
    benchmarks[0]["extra_info"]["energy"] = {
        "joules_per_image": 0.25, "source": "RAPL package-0", "calls": 5, "seconds": 1.0,
    }  # fmt: skip
    benchmarks[1]["extra_info"]["price"] = {"per_hour": 0.1, "images_per_unit": 14_400_000}
    (row,) = rows(report_of(*benchmarks))
    load = loaded(CASE, price={"per_hour": 0.1, "requests_per_unit": 720_000})
    return {**row.benchmarks, "photo": PHOTO, "load": load}


@pytest.mark.parametrize("field", FIELD.values(), ids=lambda field: field.name)
def test_every_field_finds_its_figure(full, field):
    assert field.value(full) == pytest.approx(EXPECTED[field.name])


def test_names_are_unique():
    assert FIELD.keys() == EXPECTED.keys()
    columns = [column for field in FIELD.values() for column in field.columns]
    gauges = [field.gauge for field in FIELD.values() if field.gauge]
    for names in (columns, gauges):
        assert len(set(names)) == len(names)


def test_intervals(full):
    assert FIELD["speedup"].interval(full) == (3.35, 3.5)
    assert FIELD["agreement"].interval(full) == pytest.approx((98.74,))
    assert FIELD["median"].interval(full) == ()


@pytest.mark.parametrize("field", FIELD.values(), ids=lambda field: field.name)
def test_what_a_report_lacks_is_none(field):
    assert field.value({}) is None
    assert all(bound is None for bound in field.interval({}))


def test_a_null_is_none_and_a_zero_is_not(full):
    full["latency"]["extra_info"]["ratio"]["low"] = None
    full["footprint"]["extra_info"]["load_seconds"] = 0
    assert FIELD["speedup"].interval(full) == (None, 3.5)
    assert FIELD["load"].value(full) == 0


def test_the_best_group_comes_first(full):
    full["throughput"]["stats"]["median"] = 99.0
    full["latency"]["extra_info"]["images_per_second"] = 1.0
    assert FIELD["median"].value(full) == pytest.approx(20)
    assert FIELD["throughput"].value(full) == pytest.approx(400)
    del full["latency"]
    assert FIELD["median"].value(full) == pytest.approx(99_000)


MADE_UP = """
import json, sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from vitbench.report.fields import FIELD, FOOTPRINT, LOWER, Field, Terms

JOULES = {"kJ": 1e3, "J": 1.0}
FIELD["energy"] = Field(
    "energy", "energy", "J", JOULES, 2, LOWER, FOOTPRINT, "extra_info/joules", "joules",
    "Joules of a call.", contract=Terms("energy"), need="energy", more="needs more energy",
    spread=(0.03, 0.005),
)

from vitbench.cli.main import main
from vitbench.history.store import load
from vitbench.history.trends import trends
from vitbench.judge.contracts import read_contracts
from vitbench.judge.contract_results import judge_contracts
from vitbench.report.reader import read_report
from vitbench.show.page_data import data
from vitbench.show.table import table


def said(*arguments):
    out = StringIO()
    with redirect_stdout(out):
        main(arguments)
    return out.getvalue()


folder = Path(sys.argv[1])
path, history = str(folder / "report.json"), load(folder)
rules = read_contracts(folder / "pyproject.toml")
print(json.dumps({
    "show": table(read_report(Path(path)), None),
    "best": said("best", path, "--need=energy"),
    "gate": said("gate", path, f"--baseline={folder / 'baselines' / 'earlier.json'}"),
    "csv": said("history", "export", str(folder), "--format=csv"),
    "prometheus": said("history", "export", str(folder), "--format=prometheus"),
    "page": data(history, trends(history), {}, [], "r"),
    "contracts": [each.to_json() for each in judge_contracts(rules, read_report(Path(path)), {})],
}))
"""


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    """What every reader makes of a field that nothing but the table names."""
    folder = tmp_path_factory.mktemp("energy")
    benchmarks = [benchmark_of(CASE, group) for group in ("latency", "footprint")]
    benchmarks[1]["extra_info"]["joules"] = 3.5
    (folder / "report.json").write_text(json.dumps(report_of(*benchmarks)))
    benchmarks[1]["extra_info"]["joules"] = 2.0
    (folder / "baselines").mkdir()
    (folder / "baselines/earlier.json").write_text(json.dumps(report_of(*benchmarks)))
    (folder / "pyproject.toml").write_text(
        '[tool.vitbench.contracts]\n"*" = ["energy <= 4 J"]\n"*int8*" = ["energy <= 0.003 kJ"]\n'
    )
    done = subprocess.run(
        [sys.executable, "-c", MADE_UP, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_field_of_the_table_alone_is_in_table_best_gate_and_contracts(made_up):
    assert " energy J" in made_up["show"]
    assert " 3.50" in made_up["show"]
    assert "need: energy\n  best: int8-dynamic/cpu/b8: least energy: 3.50 J" in made_up["best"]
    assert f"LARGER  {CASE} (energy)" in made_up["gate"]
    kept, broken = made_up["contracts"]
    assert (kept["state"], kept["sentence"]) == ("KEPT", "energy <= 4 J: 3.50 J")
    assert broken["state"] == "BROKEN"


def test_a_field_of_the_table_alone_is_in_history_csv_page_and_prometheus(made_up):
    (row,) = csv.DictReader(io.StringIO(made_up["csv"]))
    assert row["joules"] == "3.5"
    assert f'vitbench_joules{{case="{CASE}",machine="here"}} 3.5\n' in made_up["prometheus"]
    assert "# HELP vitbench_joules Joules of a call.\n" in made_up["prometheus"]
    assert ["energy", "energy J", 2] in made_up["page"]["columns"]
    assert [case["energy"] for case in made_up["page"]["cases"]] == [3.5]
