import os
import shutil
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from conflict_nlp.predict import Tagger

ROOT = Path(__file__).resolve().parent.parent

# On busy cores an example may take any time.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
# Started in the background of a shell, the tests and all that they start would ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Give each worker, which starts with an equal part of the list, its share of the longest.

    They come first in it, so that in the end no worker is alone with one of them.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", 1))
    long = [item for item in items if item.get_closest_marker("long")]
    others = [item for item in items if item not in long]
    share = -(-len(others) // workers)
    items[:] = [
        item
        for i in range(workers)
        for item in (*long[i::workers], *others[i * share : (i + 1) * share])
    ]


@pytest.fixture(scope="session")
def tagger():
    return Tagger.from_pretrained("default")


@pytest.fixture(scope="session")
def baseline():
    return Tagger.from_pretrained("baseline")


@pytest.fixture(scope="session")
def article():
    return (ROOT / "docs" / "examples" / "article-1.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def chromium():
    """Headless Chromium; tests that need it are skipped where there is none."""
    sync = pytest.importorskip("playwright.sync_api", reason="pages are driven by playwright")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync.sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        except sync.Error as error:
            pytest.skip(f"no browser: {error.message.splitlines()[0]}")
        yield browser
        browser.close()


@pytest.fixture
def browser(chromium):
    """A visitor's own browser, without cookies or pages of others."""
    from playwright.sync_api import expect

    context = chromium.new_context()
    context.set_default_timeout(60_000)
    expect.set_options(timeout=60_000)  # which the context's does not set
    yield context
    context.close()
