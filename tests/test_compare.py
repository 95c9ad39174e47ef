import json
import re

import numpy as np
import pytest
from sklearn.metrics import f1_score

from conflict_nlp.labels import LABELS
from conflict_nlp.predict import Tagger
from tests.conftest import ROOT
from training import benchmark
from training.compare import paired_differences
from training.data import read_sentences, texts_by_article

HELD_OUT = ROOT / "training" / "corpus" / "heldout.jsonl"


@pytest.fixture(scope="module")
def some(tmp_path_factory):
    """The first eight held-out articles."""
    path = tmp_path_factory.mktemp("some") / "some.jsonl"
    lines = HELD_OUT.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:8]), encoding="utf-8")
    return path


def rows(shown):
    cells = [line.strip("| ").split(" | ") for line in shown.splitlines() if line[:1] == "|"]
    return {row[0]: row[1:] for row in cells[2:]}


def test_two_models_are_compared_on_the_same_articles(some, capsys):
    benchmark.main(["--data", str(some), "--compare", "baseline", "minilm", "--rounds", "100"])
    shown = capsys.readouterr().out
    data = read_sentences([some])
    true = np.array(data["targets"]) >= 0.5
    found = rows(shown)
    assert list(found) == [*LABELS, "macro"]
    for column, name in ((1, "baseline"), (2, "minilm")):
        articles = Tagger.from_pretrained(name).predict_articles(texts_by_article(data))
        given = np.array([[label in p.labels for label in LABELS] for a in articles for p in a])
        f1 = f1_score(true, given, average=None)
        expected = [f"{value:.3f}" for value in (*f1, f1.mean())]
        assert [row[column] for row in found.values()] == expected
    for row in found.values():
        assert float(row[3]) == pytest.approx(float(row[2]) - float(row[1]), abs=0.0011)
        low, high = map(float, row[4].split(" to "))
        assert low <= float(row[3]) <= high
        verdict = "better" if low > 0 else "worse" if high < 0 else "not distinguishable"
        assert row[5] == verdict or 0 in (low, high)
    assert f"minilm is {found['macro'][5]} " in shown and "on these 8 articles" in shown
    assert "So few articles" in shown


def test_a_model_is_not_distinguishable_from_itself(some, capsys):
    benchmark.main(["--data", str(some), "--compare", "baseline", "baseline", "--rounds", "20"])
    shown = capsys.readouterr().out
    assert "baseline is not distinguishable from baseline on these 8 articles" in shown
    assert all(row[3] == "+0.000" for row in rows(shown).values())


def drawn(seed):
    """300 sentences of 30 articles, and two models that are right nine and seven times in ten."""
    random = np.random.default_rng(seed)
    true = random.random((300, 2)) < 0.3
    good, bad = (true ^ (random.random((300, 2)) < wrong) for wrong in (0.1, 0.3))
    return true, good, bad, [f"article {i // 10}" for i in range(300)]


def test_intervals_agree_with_drawing_articles_one_by_one():
    true, good, bad, groups = drawn(1)
    found = paired_differences(true, bad, good, groups, 600, 0)
    random, values = np.random.default_rng(2), []
    for _ in range(600):
        rows = np.concatenate([np.arange(a * 10, a * 10 + 10) for a in random.integers(0, 30, 30)])
        f1 = [f1_score(true[rows], given[rows], average=None) for given in (bad, good)]
        values.append([*(f1[1] - f1[0]), (f1[1] - f1[0]).mean()])
    np.testing.assert_allclose(found[:, 3:].T, np.percentile(values, [2.5, 97.5], 0), atol=0.02)
    assert (found[:, 3] > 0).all()
    worse = paired_differences(true, good, bad, groups, 600, 0)
    np.testing.assert_allclose(worse[:, 2:], -found[:, [2, 4, 3]])


def test_models_that_err_at_random_alike_are_mostly_not_told_apart():
    told = 0
    for seed in range(20):
        true, good, _, groups = drawn(seed)
        _, other, _, _ = drawn(seed + 100)
        other = true ^ (other ^ drawn(seed + 100)[0])  # errs as often, on other sentences
        low, high = paired_differences(true, good, other, groups, 200, 0)[-1, 3:]
        told += not low <= 0 <= high
    assert told <= 4


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--compare", "baseline", "nonsense"], 1, "no model 'nonsense'"),
        (["--compare", "baseline"], 2, "expected 2 arguments"),
        (["--compare", "baseline", "minilm", "--record"], 2, "takes no --output"),
    ],
)
def test_bad_options_are_named(some, capsys, arguments, status, message):
    with pytest.raises(SystemExit) as stopped:
        benchmark.main(["--data", str(some), *arguments])
    assert stopped.value.code == status and message in capsys.readouterr().err


def test_other_labels_are_refused(tmp_path, capsys):
    path = tmp_path / "data.csv"
    path.write_text("text,strike,protest\nMiners walked out.,1,0\nCrowds marched.,0,1\n")
    with pytest.raises(SystemExit):
        benchmark.main(["--data", str(path), "--compare", "baseline", "minilm"])
    assert "data.csv has ('strike', 'protest')" in capsys.readouterr().err


def test_one_article_is_refused(tmp_path, capsys):
    path = tmp_path / "one.jsonl"
    sentences = [{"text": "Rockets hit the base.", "labels": ["attack_event"]}]
    path.write_text(json.dumps({"id": "one", "sentences": sentences}) + "\n")
    with pytest.raises(SystemExit):
        benchmark.main(["--data", str(path), "--compare", "baseline", "minilm"])
    assert re.search("one article: there is nothing to resample", capsys.readouterr().err)
