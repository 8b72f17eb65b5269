"""The page of a history in a real Chromium, opened from disk, as a person would use it."""

import io
import json
import os
import shutil
from contextlib import ExitStack, closing

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.helpers.load_rows import loaded
from tests.helpers.reports import TINY, agreement_of, benchmark_of, report_of
from tests.unit.test_store import CASE, own_cache, run_of, stepped  # noqa: F401
from tests.unit.test_store import write as reports_in
from vitbench.cli.main import main
from vitbench.errors import UserError
from vitbench.history.store import load
from vitbench.history.trends import trends
from vitbench.judge.best import choose
from vitbench.show.page import escaped, write
from vitbench.show.page_data import data, recommendations
from vitbench.show.page_flips import MOST_FLIPS, page_flips

pytestmark = pytest.mark.xdist_group("browser")
HOSTILE = '</script><script>window.pwned=1</script><img src=x onerror="window.pwned=1">\u2028&'


def hostile(day):
    """A report of a plain tool whose every text would like to be code."""
    return {
        "machine_info": {"node": HOSTILE, "cpu": {"brand_raw": HOSTILE, "count": 2},
                         "python_version": HOSTILE},
        "commit_info": {"id": HOSTILE}, "version": HOSTILE,
        "datetime": f"2026-01-{day:02}T00:00:00",
        "benchmarks": [{"group": HOSTILE, "name": HOSTILE, "fullname": HOSTILE, "extra_info": {},
                        "stats": {"median": 0.5, "data": [0.4, 0.5, 0.6]}}],
    }  # fmt: skip


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page of 120 runs with a step, hostile reports beside them and one damaged file."""
    pytest.importorskip("plotly", reason="the extra `history` is not installed")
    place = tmp_path_factory.mktemp("page")
    folder = reports_in(place / "r", [*stepped(torch="2.13.0"), hostile(1), hostile(2)])
    (folder / "<img src=x onerror=window.pwned=1>.json").write_text("{")
    path = place / "index.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VITBENCH_CACHE", str(place / "cache"))
        assert main(["history", "page", str(folder), f"--output={path}"]) == 1
    return path


@pytest.fixture(scope="module")
def browser():
    """One Chromium for all of them; each test has a context of its own, as a fresh one."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail("no chromium on this machine, and a CI must have tried the page")
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def opened(page, browser):
    """Opens the page at a width; gives the tab and what it asked for or complained about."""
    with ExitStack() as stack:

        def visit(width=1280, scheme="light", height=900):
            context = stack.enter_context(
                closing(
                    browser.new_context(
                        viewport={"width": width, "height": height}, color_scheme=scheme
                    )
                )
            )
            context.set_default_timeout(120_000)  # for a busy machine: nothing here is timed
            tab, told = context.new_page(), []
            tab.on("console", lambda message: told.append(message.text))
            tab.on("pageerror", lambda error: told.append(str(error)))
            tab.on(
                "request",
                lambda request: (
                    request.url.startswith(("file:", "data:", "blob:")) or told.append(request.url)
                ),
            )
            tab.goto(page.as_uri())
            tab.wait_for_selector("body[data-drawn=true]")
            return tab, told

        yield visit


def test_nothing_of_a_report_leaves_the_json(page):
    text = page.read_text(encoding="utf-8")
    assert "window.pwned=1</script>" not in text
    assert "<img src=x" not in text
    assert "<script src=" not in text
    assert json.loads(escaped({"a": HOSTILE})) == {"a": HOSTILE}
    assert not set("<>&\u2028\u2029") & set(escaped({HOSTILE: HOSTILE}))


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_opens_from_disk_without_network_or_error(opened, width, scheme):
    tab, told = opened(width, scheme)
    assert told == []
    assert tab.evaluate("window.pwned") is None
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert "122 reports" in tab.inner_text("#summary")
    assert "could not be read" in tab.inner_text("#damaged")
    assert "window.pwned" in tab.inner_text("#damaged")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_edge_of_a_table_is_shaded_where_more_of_it_is_behind(opened, scheme):
    tab, _ = opened(390, scheme)
    table = tab.locator(".scroll", has=tab.locator("#overview"))
    tab.add_style_tag(content="#overview * { color: transparent !important; }")

    def contrast():
        """Of the right edge with the same row 40 pixels from it, at the row's most, 0 to 255."""
        picture = Image.open(io.BytesIO(table.screenshot())).convert("L")
        gray = np.asarray(picture, float)[80:-40, :-2]  # neither heading, bar nor border
        return np.abs(gray[:, -3:].mean(1) - gray[:, -40]).max()

    assert contrast() > 60
    table.evaluate("each => each.scrollLeft = each.scrollWidth")
    assert contrast() < 20


@pytest.mark.parametrize("chart", ["trend", "pareto", "rounds"])
def test_a_chart_is_drawn_once_it_is_scrolled_to(opened, chart):
    tab, told = opened(height=200)
    assert tab.locator(".chart svg").count() == 0
    tab.locator(f"#{chart}").scroll_into_view_if_needed()
    tab.wait_for_selector(f"#{chart} svg.main-svg")
    assert told == []


@pytest.mark.parametrize("chart", ["pareto", "rounds"])
def test_a_logarithmic_axis_can_be_read(opened, chart):
    """Two labels at least stand on it, however little it spans."""
    tab, _ = opened()
    tab.locator(f"#{chart}").scroll_into_view_if_needed()
    tab.wait_for_selector(f"#{chart} svg.main-svg")
    labels = tab.locator(f"#{chart} .xtick text").all_text_contents()
    assert len(labels) >= 2
    assert all(float(label) > 0 for label in labels)


def away(tab, chart):
    """Waits until the page knows that a chart is off the screen.

    A browser tells every observer in one go, in the order they were made; so when one made now
    has been told, the page's own has."""
    assert not tab.evaluate(
        """(id) => new Promise((tell) => new IntersectionObserver(
            (entries) => tell(entries.at(-1).isIntersecting), { rootMargin: "25% 0px" })
            .observe(document.getElementById(id)))""",
        chart,
    )


def test_a_chart_that_changed_off_the_screen_is_drawn_once_when_it_is_back(opened):
    tab, _ = opened(height=200)
    tab.evaluate("""() => { const react = Plotly.react; Plotly.react = (id, ...rest) => {
        const e = document.getElementById(id); e.dataset.drawn = 1 + Number(e.dataset.drawn || 0);
        return react(id, ...rest); }; }""")
    pareto = tab.locator("#pareto")
    pareto.scroll_into_view_if_needed()
    tab.wait_for_selector("#pareto[data-drawn='1']")
    tab.locator("#variant").scroll_into_view_if_needed()
    away(tab, "pareto")
    tab.select_option("#variant", "fp32")
    tab.select_option("#variant", "int8-dynamic")
    assert pareto.get_attribute("data-drawn") == "1"
    pareto.scroll_into_view_if_needed()
    tab.wait_for_selector("#pareto[data-drawn='2']")
    tab.locator("#roof-words").scroll_into_view_if_needed()
    away(tab, "pareto")
    pareto.scroll_into_view_if_needed()
    tab.locator("#rounds").scroll_into_view_if_needed()
    tab.wait_for_selector("#rounds[data-drawn]")
    assert pareto.get_attribute("data-drawn") == "2"


def test_all_charts_are_drawn_for_printing(opened):
    tab, _ = opened(height=200)
    tab.pdf()
    for chart in ("trend", "pareto", "rounds"):
        assert tab.locator(f"#{chart} svg").count() > 0


def test_a_change_leads_to_its_trend(opened):
    tab, _ = opened()
    item = tab.locator("#changes li").first
    assert "slower" in item.inner_text()
    assert "torch 2.12.1 to 2.13.0" in item.inner_text()
    item.locator("button").press("Enter")
    assert tab.locator("#trend-words").inner_text().startswith(CASE)
    assert tab.locator("#trend-events li").count() == 1
    tab.locator("details summary").first.press("Enter")
    assert tab.locator("#trend-table tbody tr").count() == 120


def test_sorting_and_filtering_by_keyboard(opened):
    tab, _ = opened()
    first = "#overview tbody tr:first-child th"
    tab.locator("button[data-sort=median]").press("Enter")
    assert tab.locator("th[aria-sort=ascending]").inner_text().startswith("median ms")
    assert tab.inner_text(first) == CASE
    tab.locator("button[data-sort=median]").press("Enter")
    assert tab.locator("th[aria-sort=descending]").count() == 1
    assert tab.evaluate("document.activeElement.dataset.sort") == "median"
    assert tab.inner_text(first) != CASE
    tab.select_option("#variant", "fp32")
    assert tab.inner_text("#count") == "1 of 3 rows"
    assert tab.inner_text(first) == f"{TINY}/fp32/cpu/b1"


def test_choosing_a_report_shows_its_rounds_and_its_machine(opened):
    tab, _ = opened()
    tab.select_option("#report", index=20)
    chosen = tab.locator("#report option:checked").inner_text()
    assert tab.inner_text("#rounds-words").startswith(chosen.rpartition(" ")[2])
    assert tab.locator("#rounds-table tbody tr").count() == 2
    assert "torch: 2.1" in tab.locator("#machine").text_content()


def test_everything_has_a_name(opened):
    tab, _ = opened()
    unnamed = """[...document.querySelectorAll('button,select,[role=img],[role=region]')].filter(
        (e) => !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length
                 || e.getAttribute('aria-labelledby'))).length"""
    assert tab.evaluate(unnamed) == 0
    assert tab.evaluate("document.querySelectorAll('h1').length") == 1
    assert tab.evaluate("document.documentElement.lang") == "en"


def test_a_page_that_cannot_be_written_is_a_sentence(tmp_path):
    pytest.importorskip("plotly", reason="the extra `history` is not installed")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"x.html: cannot write there"):
        write(load(reports_in(tmp_path / "r", [run_of(1)])), [], {}, [], "r",
              tmp_path / "file" / "x.html")  # fmt: skip


def flip_of(index=0, margin=1.0):
    return {"image": f"{index}.jpg", "reference_label": "cat", "label": "dog", "thumbnail": "AAAA",
            "reference_margin": margin, "margin": 0.1}  # fmt: skip


def content_of(path):
    """The data of a written page."""
    _, _, rest = path.read_text(encoding="utf-8").partition('id="data">')
    return json.loads(rest.partition("</script>")[0])


def turn_to(opened, path, reports=(), damaged=()):
    """Another page in a tab of `opened`: of `reports`, and of files that hold no report."""
    folder = reports_in(path / "other", reports)
    for name in damaged:
        (folder / name).write_text("{")
    assert main(["history", "page", str(folder), f"--output={path / 'other.html'}"]) == bool(
        damaged
    )
    tab, told = opened()
    tab.goto((path / "other.html").as_uri())
    tab.wait_for_selector("body[data-drawn=true]")
    return tab, told


def test_a_history_of_damaged_files_alone_is_shown_to_its_end(opened, tmp_path):
    tab, told = turn_to(opened, tmp_path, damaged=["cut.json"])
    assert told == []
    assert tab.inner_text("#damaged").startswith("1 file could not be read and is left out:")
    assert tab.inner_text("#best") == "Nothing to recommend."
    assert tab.inner_text("#rounds-words") == "There is no report."
    assert tab.inner_text("#trend-words") == "There is no timed case."
    assert tab.locator("body[data-ready=true]").count() == 1


def test_a_front_is_of_one_machine(opened, tmp_path):
    other = f"{TINY}/slow/cpu/b1"
    later = run_of(2, threads=8, case=other)
    later["benchmarks"][1]["stats"]["median"] = 0.05  # slower than CASE, which did not run there
    tab, _ = turn_to(opened, tmp_path, [run_of(1), later])
    tab.locator("#pareto").scroll_into_view_if_needed()
    tab.wait_for_selector("#pareto svg.main-svg")
    front = " ".join(tab.evaluate("document.getElementById('pareto').data[0].text"))
    assert f"{CASE}<br>EPYC, 2 cores, 2 threads" in front
    assert f"{other}<br>EPYC, 2 cores, 8 threads" in front
    assert tab.locator("#overview tbody td", has_text="8 threads").count() == 2
    tab.select_option("#host", "EPYC, 2 cores, 8 threads")
    assert tab.inner_text("#count") == "2 of 4 rows"
    content = content_of(tmp_path / "other.html")
    assert len({case["fingerprint"] for case in content["cases"]}) == 2


def marks_of(tab):
    """By the legend of the scatter: the cases that are drawn so."""
    tab.locator("#pareto").scroll_into_view_if_needed()
    tab.wait_for_selector("#pareto svg.main-svg")
    drawn = tab.evaluate("document.getElementById('pareto').data.map((t) => [t.name, t.text])")
    return {name: set(cases) for name, cases in drawn}


def test_the_marks_of_the_front_are_those_of_best(opened, tmp_path):
    """fp32 is 0.2 % smaller, which is no difference: by plain figures it would be on the front."""
    report = json.loads((ROOT / "tests/golden/schema-2.json").read_text())
    choices = choose(report, "latency", 0.96)
    fronts = {case for choice in choices for case in choice.front}
    assert all(case.split("/")[1] == "scripted" for case in fronts)
    tab, told = turn_to(opened, tmp_path, [report])
    others = {each.case for choice in choices for each in choice.candidates} - fronts
    assert marks_of(tab) == {"front": fronts, "not on the front": others}
    assert tab.inner_text("#pareto-none") == ""
    assert told == []


def test_a_case_that_the_newest_report_lacks_is_on_no_front_and_not_off_it(opened, tmp_path):
    other = f"{TINY}/slow/cpu/b1"
    tab, _ = turn_to(opened, tmp_path, [run_of(1, case=other), run_of(2)])
    marks = marks_of(tab)
    assert marks["not in the newest report"] == {other}
    assert CASE in marks["front"]


def test_a_scatter_without_marks_says_why(opened, tmp_path):
    report = run_of(1)
    for each in report["benchmarks"]:
        each["extra_info"]["agreement"]["claimed"] = False
    tab, told = turn_to(opened, tmp_path, [report])
    assert not tab.locator("#pareto").is_visible()
    assert tab.inner_text("#pareto-none") == (
        "2 of 2 cases not drawn: the weights are synthetic, and of such weights no agreement is "
        "claimed."
    )
    assert told == []
    tab, _ = turn_to(opened, tmp_path / "plain", [run_of(1), hostile(2)])
    words = "1 of 3 cases not drawn: the report says nothing of agreement."
    assert tab.inner_text("#pareto-none") == words
    assert tab.locator("#pareto").is_visible()
    tab.select_option("#variant", "int8-dynamic")
    assert tab.inner_text("#pareto-none") == ""
    tab.select_option("#model", "(other)")
    assert tab.inner_text("#pareto-none") == "No case passes the filters above."


def test_a_machine_is_not_shown_where_there_is_one(opened, tmp_path):
    tab, _ = turn_to(opened, tmp_path, [run_of(1)])
    assert tab.locator("#overview th", has_text="machine").count() == 0
    assert not tab.locator("#host").is_visible()
    assert "median ms, 1 run;" in tab.inner_text("#trend-words")
    assert not tab.locator("#load-section").is_visible()
    assert tab.inner_text("#count") == "2 of 2 cases"


def test_rows_sort_by_number_and_what_is_not_there_stands_last(opened, tmp_path):
    report = run_of(1)
    report["benchmarks"] += [benchmark_of(f"{TINY}/int8-dynamic/cpu/b{n}") for n in (32, 8)]
    tab, _ = turn_to(opened, tmp_path, [report, hostile(2)])
    for place in ("#overview tbody th", "#case option"):
        names = [name for name in tab.locator(place).all_inner_texts() if "int8" in name]
        assert names == [f"{TINY}/int8-dynamic/cpu/b{n}" for n in (1, 8, 32)]
    for _ in range(2):
        tab.locator("button[data-sort=state]").press("Enter")
        assert "window.pwned" in tab.locator("#overview tbody th").last.inner_text()


def test_rows_have_headings_and_dates_their_zone(opened):
    tab, _ = opened()
    tables = ("overview", "trend-table", "rounds-table", "runs")
    for table in tables:
        rows = tab.locator(f"#{table} tbody tr").count()
        assert rows > 0
        assert tab.locator(f"#{table} tbody tr > th[scope=row]:first-child").count() == rows
    assert tab.locator("[aria-selected]").count() == 0
    assert tab.locator("#overview tr[aria-current=true] th").inner_text() == CASE
    assert "All dates are UTC." in tab.inner_text("header")
    for table in ("overview", "trend-table", "runs"):
        assert tab.locator(f"#{table} thead th", has_text="UTC").count() == 1
    assert " UTC: " in tab.inner_text("#rounds-words")


def test_rounds_begin_at_the_last_report_that_has_some(opened, tmp_path):
    duet = run_of(2)
    duet["benchmarks"] = [benchmark_of(CASE, "duet")]
    tab, _ = turn_to(opened, tmp_path, [run_of(1), duet])
    assert tab.inner_text("#rounds-words").startswith("0000.json")
    assert tab.locator("#report option:checked").inner_text().endswith("0000.json")
    assert tab.locator("#rounds-table tbody tr").count() == 2


def test_a_thumbnail_keeps_its_proportions(opened, tmp_path):
    report = run_of(1)
    report["benchmarks"][1]["extra_info"]["flips"] = [flip_of()]
    tab, _ = turn_to(opened, tmp_path, [report])
    fit = "(image) => getComputedStyle(image).objectFit"
    assert tab.locator("#flips img").evaluate(fit) == "contain"


@pytest.mark.parametrize("seconds", [(0.0201, 0.0209), (0.020, 0.050), (0.0095, 0.019)])
def test_an_axis_over_a_short_span_has_labels(opened, tmp_path, seconds):
    report = run_of(1)
    for benchmark, median in zip(report["benchmarks"], seconds, strict=True):
        benchmark["stats"]["median"] = median
    tab, _ = turn_to(opened, tmp_path, [report])
    tab.locator("#pareto").scroll_into_view_if_needed()
    tab.wait_for_selector("#pareto svg.main-svg")
    labels = tab.locator("#pareto .xtick text").all_text_contents()
    assert len(labels) >= 2
    assert all(float(label) > 1 for label in labels)


def test_series_of_one_case_on_one_machine_have_names_of_their_own(tmp_path):
    reports = [run_of(1), run_of(2)]
    reports[1]["machine_info"]["vitbench"]["weights"] = {TINY: "f" * 64}
    history = load(reports_in(tmp_path / "r", reports))
    names = [each["short"] for each in data(history, trends(history), {}, [], "r")["trends"]]
    assert len(names) == len(set(names)) == 4
    assert f"{CASE} on EPYC, 2 cores, 2 threads (from 2025-01-03 00:00)" in names


def test_where_nothing_is_left_no_name_is_told():
    case = benchmark_of(f"{TINY}/fp32/cpu/b1", agreement=agreement_of(share=0.5, lower=0.4))
    assert recommendations(choose(report_of(case), "latency", 0.96)) == [
        f"{TINY}, batch 1: no variant is left to choose from"
    ]


def test_cases_that_failed_in_the_newest_report_are_on_the_page(opened, tmp_path):
    earlier, newest = run_of(1), run_of(2)
    for report, words in ((earlier, "of yesterday"), (newest, f"top-1 differs {HOSTILE}: BROKEN")):
        report["vitbench"]["failed"] = {f"{TINY}/lite-int8/cpu/b1": words}
        report["vitbench"]["unavailable"] = {f"{TINY}/fp16/cpu/b1": "it needs CUDA"}
    tab, told = turn_to(opened, tmp_path, [earlier, newest])
    failed = tab.locator("#failed-section")
    assert failed.is_visible()
    (words,) = failed.locator("li").all_inner_texts()
    assert words.startswith(f"{TINY}/lite-int8/cpu/b1: top-1 differs")
    assert told == []
    newest["vitbench"]["failed"] = {}
    assert (
        not turn_to(opened, tmp_path / "mended", [earlier, newest])[0]
        .locator("#failed-section")
        .is_visible()
    )


def test_cases_under_load_are_on_the_page_with_a_heat_map_of_their_arrangements(opened, tmp_path):
    report, fp32 = run_of(1), f"{TINY}/fp32/cpu/b1"
    report["benchmarks"] += [loaded(CASE, 40.0, proven=36.0), loaded(fp32, 12.0, bound=30.0)]
    tab, told = turn_to(opened, tmp_path, [report])
    assert tab.locator("#load tbody th").all_inner_texts() == [
        "int8-dynamic/cpu/b1",
        "fp32/cpu/b1",
    ]
    assert "proven" in tab.locator("#load tbody tr").first.inner_text()
    tab.locator("#grid").scroll_into_view_if_needed()
    tab.wait_for_selector("#grid .hm")
    maps = tab.evaluate("document.getElementById('grid').data.map((t) => [t.x, t.y, t.z, t.text])")
    assert maps == [
        [["1", "2"], ["1", "2"], [[20, 30], [40, None]], [["20.0", "30.0"], ["40.0, best", ""]]],
        [["1", "2"], ["1", "2"], [[None, None], [35, None]], [["", ""], ["35.0", ""]]],
        [["1", "2"], ["1", "2"], [[None, None], [38, None]], [["", ""], ["38.0", ""]]],
    ]
    assert tab.locator("#grid text", has_text="null").count() == 0
    tab.select_option("#load-case", label=fp32)
    assert tab.inner_text("#grid-words").startswith(f"{fp32}: requests a second within 30 ms")
    tab.select_option("#case", label=f"{CASE}, server rate")
    assert "requests/s, proven within 15 ms, 1 run;" in tab.inner_text("#trend-words")
    best = tab.inner_text("#best")
    assert "int8-dynamic/cpu/b1: most load: 36.0 requests/s within 15 ms (proven" in best
    assert told == []


def test_a_heat_map_without_a_rate_says_why(opened, tmp_path):
    report, row = run_of(1), loaded(CASE, 0.0)
    for each in row["extra_info"]["arrangements"]:
        each["simulated_rate"] = 0.0
    report["benchmarks"].append(row)
    tab, told = turn_to(opened, tmp_path, [report])
    words = "no arrangement keeps 15 ms at any rate, so there is no map of rates."
    assert tab.inner_text("#grid-words") == f"{CASE}: {words}"
    assert not tab.locator("#grid").is_visible()
    assert tab.locator("#load tbody tr").count() == 1
    assert told == []


def test_flips_beyond_the_page_are_counted():
    case = benchmark_of(f"{TINY}/int8/cpu/b1")
    case["extra_info"]["flips"] = [flip_of(n) for n in range(MOST_FLIPS + 1)]
    found = page_flips(report_of(case))
    assert len(found["rows"]) == MOST_FLIPS
    assert found["words"].endswith(f"the first {MOST_FLIPS} of {MOST_FLIPS + 1}.")
    case["extra_info"]["flips"].pop()
    assert "first" not in page_flips(report_of(case))["words"]


def test_a_number_beyond_a_float_leaves_the_page_to_the_report_before(tmp_path):
    pytest.importorskip("plotly", reason="the extra `history` is not installed")
    reports = [run_of(1), run_of(2)]
    reports[1]["benchmarks"][1]["extra_info"]["artifact"]["bytes"] = 10**400
    folder, path = reports_in(tmp_path / "r", reports), tmp_path / "index.html"
    assert main(["history", "page", str(folder), f"--output={path}"]) == 0
    (told,) = content_of(path)["best"]
    assert "int8-dynamic/cpu/b1: least latency" in told
