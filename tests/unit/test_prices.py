"""What an hour of a machine costs: which machine a price belongs to, and what its answers cost."""

import json
from types import SimpleNamespace

import pytest

from tests.helpers.load_rows import loaded
from tests.helpers.reports import TINY, benchmark_of, report_of
from vitbench.cli.main import main
from vitbench.errors import UserError
from vitbench.judge.best import choose
from vitbench.plugin.options import SESSION
from vitbench.plugin.price import header, price_of
from vitbench.report.fields import FIELD
from vitbench.report.prices import Price, chosen_price, no_price, priced, read_prices
from vitbench.report.reader import rows
from vitbench.show.table import table

CPU = {"model": "AMD EPYC 9R14", "isa": ["avx2"]}
HERE = "AMD EPYC 9R14, 2 cores, 2 threads"
TABLE = """[tool.vitbench.prices]
small = { price = "0.1/h", machine = "*epyc 9r14*, 2 cores*" }
large = { price = "3 / h", machine = "*EPYC 9R14*, 96 cores*" }
spot = "0.04/h"
"""


@pytest.fixture
def report():
    """fp32 answers 10 images a second, int8-dynamic 40, each on two cores of one CPU."""
    found = report_of(
        benchmark_of(f"{TINY}/fp32/cpu/b1", seconds=0.1),
        benchmark_of(f"{TINY}/int8-dynamic/cpu/b1", seconds=0.025),
        benchmark_of(f"{TINY}/int8-dynamic/cpu/b1", "footprint"),
    )
    found["machine_info"]["vitbench"] = {"cpu": CPU, "cores": 2, "threads": 2, "gpus": []}
    return found


@pytest.fixture
def prices(tmp_path):
    path = tmp_path / "pyproject.toml"
    path.write_text(TABLE)
    return read_prices(path)


def test_a_price_belongs_to_the_machine_that_its_glob_describes(prices):
    assert [each.per_hour for each in prices] == [0.1, 3.0, 0.04]
    assert chosen_price(None, prices, HERE).name == "small"
    assert chosen_price(None, prices, HERE.replace("2 cores", "96 cores")).name == "large"
    assert chosen_price(None, prices, "Intel Xeon, 2 cores") is None
    words = no_price(prices, "Intel [Xeon], 2 cores")
    assert words.startswith("none of small, large, spot belongs to Intel [Xeon], 2 cores: give")
    assert 'machine = "Intel ?Xeon], 2 cores*"' in words
    assert Price("x", 1, "", "Intel ?Xeon], 2 cores*").fits("Intel [Xeon], 2 cores, 2 threads")


def test_a_user_names_a_price_or_gives_one(prices):
    assert chosen_price("spot", prices, HERE) == prices[2]
    given = chosen_price("mine.large:0.25/h", prices, HERE)
    assert (given.name, given.per_hour, given.origin) == ("mine.large", 0.25, "--price")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("spit", r"--price=spit: no such price: nearest: spot; or give NAME:AMOUNT/h"),
        ("a:0/h", r"--price=a:0/h: '0/h' is no price: write a number of 1e-12 or more, such as "),
        (f"a:0.{'0' * 322}1/h", "1/h' is no price: write a number of 1e-12 or more"),
        ("a:0,10/h", "is no price"),
        ("a:nan/h", "is no price"),
        ("a:0.1", "is no price"),
        (":0.1/h", "give NAME:AMOUNT/h"),
    ],
)
def test_what_is_no_price_is_one_sentence(prices, text, words):
    with pytest.raises(UserError, match=words):
        chosen_price(text, prices, HERE)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("small = 0.1", "pyproject.toml:2: the price 'small': 0.1 is no price"),
        ("small = { price = '1/h', cpu = 'x' }", "there is no key 'cpu': it may have price, mach"),
        ("small = { price = '1/h', machine = 7 }", "machine should be a glob"),
        ("'a b' = '1/h'", "a name may hold letters"),
        ("small = { machine = '*' }", "None is no price"),
    ],
)
def test_a_bad_row_names_its_line(tmp_path, row, words):
    (tmp_path / "pyproject.toml").write_text(f"[tool.vitbench.prices]\n{row}\n")
    with pytest.raises(UserError) as told:
        read_prices(tmp_path / "pyproject.toml")
    assert words in str(told.value)


def test_two_prices_for_one_machine_are_a_question(prices):
    two = [*prices, Price("again", 0.2, "pyproject.toml", "*EPYC*")]
    with pytest.raises(UserError, match=r"small and again both belong to AMD EPYC 9R14, 2 cores"):
        chosen_price(None, two, HERE)
    assert chosen_price("again", two, HERE).per_hour == 0.2


def test_a_unit_of_money_buys_an_hours_images(report):
    found = {row.case.variant: row.benchmarks for row in rows(priced(report, Price("s", 0.1, "")))}
    assert FIELD["images_per_unit"].value(found["int8-dynamic"]) == pytest.approx(40 * 36_000)
    assert FIELD["images_per_unit"].value(found["fp32"]) == pytest.approx(10 * 36_000)
    assert FIELD["requests_per_unit"].value(found["fp32"]) is None
    assert "price" not in found["int8-dynamic"]["footprint"]["extra_info"]
    assert priced(report, None) == report
    assert "price" not in report["vitbench"]


@pytest.mark.parametrize("rate", [50.0, 0.0])
def test_a_unit_of_money_buys_an_hours_requests_at_the_rate_of_a_loaded_server(report, rate):
    row = benchmark_of(f"{TINY}/fp32/cpu/b1", "load")
    del row["extra_info"]["images_per_second"]
    row["extra_info"]["server_rate"] = rate
    report["benchmarks"].append(row)
    found = priced(report, Price("small", 0.1, "--price"))["benchmarks"][-1]
    requests = FIELD["requests_per_unit"].value({"load": found})
    assert requests == pytest.approx(rate * 36_000)


def test_the_table_has_the_column_where_there_is_a_price(report):
    assert "per unit of money" not in table(report, None)
    shown = table(priced(report, Price("small", 0.1, "--price")), None)
    assert "images per unit of money" in shown
    assert "1440000" in shown
    assert "price: small costs 0.1 an hour (--price)" in shown


def test_cost_is_ranked_in_pairs_and_by_requests_where_there_are_any(report):
    found = priced(report, Price("small", 0.1, "--price"))
    (choice,) = choose(found, "cost", 0.96)
    assert choice.best == f"{TINY}/int8-dynamic/cpu/b1"
    assert choice.sentence == "least cost: 1,440,000 images for a unit of money"
    out = choice.out[f"{TINY}/fp32/cpu/b1"]
    assert out.startswith("costs more: 360,000 images for a unit of money against 1,440,000 images")
    # A neighbour slowed the machine while int8-dynamic was timed: its pairs know.
    found["benchmarks"][1]["extra_info"]["price"]["images_per_unit"] = 1.0
    assert choose(found, "cost", 0.96)[0].best == f"{TINY}/int8-dynamic/cpu/b1"
    # A loaded server ranks otherwise than the time of a call.
    rates = {"fp32": 25.0, "int8-dynamic": 14.0}
    report["benchmarks"] += [loaded(f"{TINY}/{name}/cpu/b1", rate) for name, rate in rates.items()]
    (choice,) = choose(priced(report, Price("small", 0.1, "--price")), "cost", 0.96)
    assert choice.sentence.startswith("least cost: 900,000 requests for a unit of money, 25.0")
    del report["benchmarks"][-1]
    (choice,) = choose(priced(report, Price("small", 0.1, "--price")), "cost", 0.96)
    assert "run benchmarks/test_load.py too" in choice.out[f"{TINY}/int8-dynamic/cpu/b1"]


@pytest.mark.usefixtures("prices")
def test_best_and_show_take_a_price(report, tmp_path, capsys, monkeypatch):
    (tmp_path / "report.json").write_text(json.dumps(report))
    monkeypatch.chdir(tmp_path)
    assert main(["best", "report.json", "--need=cost"]) == 0
    told = capsys.readouterr().out
    assert "small costs 0.1 an hour (pyproject.toml)\n  images: one call after the other" in told
    assert main(["best", "report.json", "--need=cost", "--price=x:0.2/h", "--json"]) == 0
    (choice,) = json.loads(capsys.readouterr().out)
    assert choice["price"] == {"name": "x", "per_hour": 0.2, "origin": "--price"}
    assert [each["cost"] for each in choice["candidates"]] == pytest.approx([180_000, 720_000])
    assert main(["show", "report.json", "--price=spot"]) == 0
    assert "price: spot costs 0.04 an hour (pyproject.toml)" in capsys.readouterr().out


def test_best_says_what_to_do_where_the_machine_has_no_price(report, tmp_path, capsys, monkeypatch):
    (tmp_path / "report.json").write_text(json.dumps(report))
    monkeypatch.chdir(tmp_path)
    assert main(["best", "report.json", "--need=cost"]) == 4
    told = capsys.readouterr().err
    assert f"report.json: --need=cost needs a price: no price belongs to {HERE}: give" in told
    (tmp_path / "pyproject.toml").write_text(TABLE.replace("2 cores", "4 cores"))
    assert main(["best", "report.json", "--need=cost"]) == 4
    assert "none of small, large, spot belongs to" in capsys.readouterr().err


def test_a_running_server_has_no_price_of_this_machine(report):
    server = {"url": "http://h", "software": "s 1", "platform": "", "tensors": "JSON"}
    report["benchmarks"][1]["extra_info"]["artifact"] |= {"server": server, "bytes": None}
    (choice,) = choose(priced(report, Price("small", 0.1, "--price")), "cost", 0.96)
    assert choice.best == f"{TINY}/fp32/cpu/b1"
    words = "a running server: its cost is not known here"
    assert choice.out == {f"{TINY}/int8-dynamic/cpu/b1": words}


@pytest.fixture
def config(tmp_path):
    """A run of pytest with a value of `--price`, in a project whose table is `text`."""

    def make(value, text=""):
        (tmp_path / "pyproject.toml").write_text(text)
        stash = pytest.Stash()
        stash[SESSION] = SimpleNamespace(options=SimpleNamespace(threads=1))
        option = SimpleNamespace(vitbench_price=value)
        return SimpleNamespace(stash=stash, rootpath=tmp_path, option=option)

    return make


def test_a_run_says_its_price_or_which_line_to_write_before_it_times(config):
    assert header(config(None)) == []
    assert header(config("a:2/h")) == ["vitbench: price: a costs 2 an hour (--price)"]
    here = '[tool.vitbench.prices]\nhere = { price = "1/h", machine = "*, 1 threads*" }\n'
    run = config(None, here)
    assert header(run) == ["vitbench: price: here costs 1 an hour (pyproject.toml)"]
    assert price_of(run).per_hour == 1.0
    (words,) = header(config(None, here.replace("1 threads", "99 threads")))
    assert words.startswith("vitbench: no price: none of here belongs to ")
    with pytest.raises(pytest.UsageError, match="--price=b: no such price"):
        header(config("b", here))
