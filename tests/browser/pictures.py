"""The two pictures of README.md, made by the product from the reports in reports/example.

`python -m tests.browser.pictures` writes docs/pictures/table.svg (what `vitbench show` prints) and
docs/pictures/history.png (what `vitbench history page` writes as a page, in Chromium).
"""

import io
import os
import re
import shutil
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from unittest import mock

from PIL import Image
from rich.console import Console

from vitbench.cli.main import main

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "reports/example/20261124T193117Z-d9c0ae36-12279.json"
WIDTH = 150


def table() -> str:
    """A terminal with the table of a report, as SVG."""
    said = io.StringIO()
    with redirect_stdout(said), mock.patch.dict(os.environ, COLUMNS=str(WIDTH)):
        main(["show", str(REPORT)])
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(said.getvalue().rstrip(), markup=False, highlight=False, no_wrap=True)
    drawn = console.export_svg(title=f"vitbench show {REPORT.relative_to(ROOT)}")
    # The reader's own monospaced font, and not one from the network.
    return re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)


def history(png: Path, folder: Path) -> None:
    """The page of all example reports, from its table of cases to the trend of one."""
    from playwright.sync_api import sync_playwright

    page = folder / "index.html"
    main(["history", "page", str(ROOT / "reports/example"), f"--output={page}"])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        tab = browser.new_page(viewport={"width": 1000, "height": 900})
        tab.goto(page.as_uri())
        tab.wait_for_selector("body[data-drawn=true]")
        tab.select_option("#case", label="deit_tiny_patch16_224/lite-int8/cpu/b1")
        tab.locator("#trend").scroll_into_view_if_needed()
        tab.wait_for_selector("#trend .scatterlayer .point")
        top, end = (tab.locator(each).bounding_box() for each in ("#h-cases", "#trend-words"))
        if not (top and end):
            raise RuntimeError("the page shows no trend")
        away = tab.evaluate("window.scrollY")
        clip = {"x": 0, "y": top["y"] + away - 12, "width": 1000,
                "height": end["y"] + end["height"] - top["y"] + 20}  # fmt: skip
        tab.screenshot(path=str(png), full_page=True, clip=clip)
        browser.close()
    Image.open(png).quantize(64).save(png, optimize=True)


if __name__ == "__main__":
    pictures = ROOT / "docs/pictures"
    pictures.mkdir(exist_ok=True)
    (pictures / "table.svg").write_text(table(), encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        history(pictures / "history.png", Path(folder))
