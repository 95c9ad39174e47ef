from pathlib import Path

import pytest

from conflict_nlp.predict import Tagger

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def tagger():
    return Tagger.from_pretrained("default")


@pytest.fixture(scope="session")
def baseline():
    return Tagger.from_pretrained("baseline")


@pytest.fixture(scope="session")
def article():
    return (ROOT / "docs" / "examples" / "article-1.txt").read_text(encoding="utf-8")
