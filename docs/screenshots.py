"""Make the pictures of README and docs from the example article: ``docs/images/*.png``.

    python -m docs.screenshots

It needs Chromium on the PATH, and ``pip install playwright pillow`` beside what the project brings.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console
from rich.text import Text

from conflict_nlp.predict import Tagger

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
ARTICLE = (ROOT / "docs" / "examples" / "article-1.txt").read_text(encoding="utf-8")
BEGINNING = "\n".join(ARTICLE.split("\n")[:8])


def opened(browser: Browser, scheme: str = "light", height: int = 790) -> Page:
    """Return an empty page of 820 points' width."""
    size = {"width": 820, "height": height}
    return browser.new_page(viewport=size, color_scheme=scheme, device_scale_factor=1.5)


def table(browser: Browser, folder: Path) -> None:
    """Show what ``conflict-nlp tag`` prints on a terminal."""
    (folder / "article-1.txt").write_text(BEGINNING, encoding="utf-8")
    command = ["-m", "conflict_nlp.cli", "tag", "article-1.txt", "--format", "table"]
    shown = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"FORCE_COLOR": "1", "COLORTERM": "truecolor", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        check=True,
    ).stdout.decode()
    console = Console(record=True, width=120, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    console.print(Text.from_ansi("$ conflict-nlp tag article-1.txt\n" + shown.rstrip()))
    page = opened(browser)
    page.set_content(console.export_svg(title="conflict-nlp"))
    page.locator("svg").screenshot(path=IMAGES / "table.png")


def pages(browser: Browser, folder: Path) -> None:
    """Show the HTML page, with explanations, in its light and its dark dress."""
    tagger = Tagger.from_pretrained("default")
    path = folder / "page.html"
    title, _, text = ARTICLE.partition("\n")
    article = tagger.tag_article(text, title)
    path.write_text(article.to_html(explain=tagger.explain), encoding="utf-8")
    for scheme in ("light", "dark"):
        page = opened(browser, scheme)
        page.goto(path.as_uri())
        page.get_by_text("No group immediately").hover()
        page.wait_for_timeout(600)  # the scores wait a little before they show
        page.screenshot(path=IMAGES / f"page-{scheme}.png")


def app(browser: Browser, folder: Path) -> None:
    """Show what ``conflict-nlp app`` serves, with a sentence explained."""
    from conflict_nlp.app import build, running

    title, _, text = BEGINNING.partition("\n")
    with running(build()) as address:
        page = browser.new_page(viewport={"width": 1280, "height": 1060}, color_scheme="light")
        page.goto(address)
        page.get_by_label("Title").fill(title)
        page.get_by_label("Article", exact=True).first.fill(text.strip())
        page.get_by_role("button", name="Tag", exact=True).click()
        page.get_by_text("The ministry, however").last.click()
        page.locator(".words").wait_for()
        page.mouse.move(0, 0)
        page.wait_for_timeout(600)
        page.screenshot(path=IMAGES / "app.png")
        page.close()


def main() -> None:
    """Make all pictures anew."""
    IMAGES.mkdir(exist_ok=True)
    options = {"executable_path": shutil.which("chromium"), "args": ["--no-sandbox"]}
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(**options)
        for make in (table, pages, app):
            make(browser, Path(folder))
        browser.close()
    for path in IMAGES.glob("*.png"):
        Image.open(path).convert("RGB").quantize(64).save(path, optimize=True)


if __name__ == "__main__":
    main()
