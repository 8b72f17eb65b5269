"""The page of a history in a real Chromium, opened from disk, as a person would use it."""

import json
import shutil

import pytest

from vitbench.cli import main
from vitbench.errors import UserError
from vitbench.show.page import escaped, write
from vitbench.tests.reports import TINY
from vitbench.tests.test_store import CASE, own_cache, run_of, stepped  # noqa: F401
from vitbench.tests.test_store import write as reports_in

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


@pytest.fixture
def page(tmp_path):
    """A page of 120 runs with a step, hostile reports beside them and one damaged file."""
    pytest.importorskip("plotly", reason="the extra `history` is not installed")
    folder = reports_in(tmp_path / "r", [*stepped(torch="2.13.0"), hostile(1), hostile(2)])
    (folder / "<img src=x onerror=window.pwned=1>.json").write_text("{")
    path = tmp_path / "index.html"
    assert main(["history", str(folder), f"--html={path}"]) == 1
    return path


@pytest.fixture
def opened(page):
    """Opens the page at a width; gives the tab and what it asked for or complained about."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])

        def visit(width=1280, scheme="light", height=900):
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme
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
        browser.close()


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
    first = "#overview tbody tr:first-child td:first-child"
    tab.locator("button[data-sort=ms]").press("Enter")
    assert tab.locator("th[aria-sort=ascending]").inner_text().startswith("median ms")
    assert tab.inner_text(first) == CASE
    tab.locator("button[data-sort=ms]").press("Enter")
    assert tab.locator("th[aria-sort=descending]").count() == 1
    assert tab.evaluate("document.activeElement.dataset.sort") == "ms"
    assert tab.inner_text(first) != CASE
    tab.select_option("#variant", "fp32")
    assert tab.inner_text("#count") == "1 of 3 cases"
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
    from vitbench.judge.store import load

    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"--html .*cannot write there"):
        write(load(reports_in(tmp_path / "r", [run_of(1)])), [], {}, [], "r",
              tmp_path / "file" / "x.html")  # fmt: skip
