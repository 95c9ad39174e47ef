"""The fictional corpus: format, size, and that it copies neither itself nor the real articles."""

import json
from collections import Counter
from datetime import date

import pytest

from conflict_nlp.labels import LABELS
from tests.conftest import ROOT
from training.annotations import FOLDER, fingerprint

CORPUS = ROOT / "training" / "corpus"


def articles(name):
    lines = (CORPUS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def everything():
    return articles("train") + articles("heldout")


def test_format(everything):
    assert len({a["id"] for a in everything}) == len(everything)
    for article in everything:
        assert set(article) == {"id", "source", "date", "kind", "title", "sentences"}
        date.fromisoformat(article["date"])
        for sentence in article["sentences"]:
            assert set(sentence) == {"text", "labels"}
            assert sentence["text"] == " ".join(sentence["text"].split()) != ""
            assert sentence["labels"] == [x for x in LABELS if x in sentence["labels"]]


def test_size(everything):
    counts = Counter(x for a in everything for s in a["sentences"] for x in s["labels"])
    assert len(everything) >= 160 and len(articles("heldout")) == 25
    assert sum(len(a["sentences"]) for a in everything) >= 3000
    assert counts["attribution_claim"] >= 250 and counts["casualty_report"] >= 300


def test_no_sentence_repeats(everything):
    texts = Counter(s["text"].lower() for a in everything for s in a["sentences"])
    assert [text for text, count in texts.items() if count > 1] == []


def test_no_sentence_is_one_of_the_real_articles(everything):
    """Short set phrases may coincide; what is long enough to be somebody's own may not."""
    known = {
        json.loads(line)["sha256"]
        for path in FOLDER.glob("*.jsonl")
        for line in path.read_text().splitlines()
    }
    assert len(known) > 20_000
    own = [s["text"] for a in everything for s in a["sentences"] if len(s["text"].split()) > 4]
    assert [text for text in own if fingerprint(text) in known] == []


def test_the_second_labelling_is_of_these_articles(everything):
    rows = [json.loads(line) for line in (CORPUS / "second.jsonl").read_text().splitlines()]
    texts = {(a["id"], fingerprint(s["text"])) for a in everything for s in a["sentences"]}
    assert len({row["article"] for row in rows}) >= 30
    assert all((row["article"], row["sha256"]) in texts for row in rows)
