"""Scores of a task, and the calibration of classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_recall_fscore_support

from training import calibrate
from training.metrics import bootstrap_intervals, by_article, resamples, scores, uncalibrated
from training.task import Task

masks = st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=1, max_size=30)


@settings(max_examples=50, deadline=None)
@given(masks)
def test_scores_are_those_of_scikit_learn(rows):
    true, found = np.array(rows)[:, :3], np.array(rows)[:, 3:]
    measured = scores(true, found, Task(("a", "b", "c")))
    assert measured["f1_macro"] == pytest.approx(
        f1_score(true, found, average="macro", zero_division=0)
    )
    if (true | found).any():
        expected = f1_score(true, found, average="samples", zero_division=np.nan)
        assert measured["f1_examples"] == pytest.approx(expected)
    assert scores(true, found, Task(("macro", "b", "c")))["f1_macro"] == measured["f1_macro"]
    one = scores(true[:, :1], found[:, :1], Task(("a",)))
    assert one == {"f1": pytest.approx(f1_score(true[:, 0], found[:, 0], zero_division=0))}


def test_the_mean_over_classes_leaves_out_those_that_do_not_occur():
    logits = np.eye(4, dtype=np.float32)[[0, 0, 1, 2]]
    task = Task(("a", "b", "c", "d"), "multi-class")
    true = np.eye(4, dtype=bool)[[0, 1, 1, 2]]
    expected = f1_score([0, 1, 1, 2], [0, 0, 1, 2], average="macro")
    assert scores(true, uncalibrated(logits, task), task)["f1_macro"] == pytest.approx(expected)


@settings(max_examples=50, deadline=None)
@given(masks, st.integers(1, 5))
def test_articles_have_the_labels_of_their_sentences(rows, size):
    true, found = np.array(rows)[:, :3], np.array(rows)[:, 3:]
    starts = range(0, len(rows), size)
    whole, given = (np.array([x[i : i + size].any(axis=0) for i in starts]) for x in (true, found))
    measured = by_article(true, found, [f"article {i // size}" for i in range(len(rows))])
    expected = precision_recall_fscore_support(whole, given, average=None, zero_division=0)
    for name, values in zip(("precision", "recall", "f1", "articles"), expected):
        np.testing.assert_allclose(measured[name], values)


@pytest.mark.parametrize("rounds", [1, 200])
def test_resamples_draw_as_many_articles_as_there_are(rounds):
    which, counts = resamples(["b", "b", "a", "c"], rounds, seed=0)
    assert which.tolist() == [1, 1, 0, 2]
    assert counts.shape == (rounds, 3) and (counts.sum(axis=1) == 3).all()


def test_intervals_of_labels_agree_with_drawing_articles_one_by_one():
    random = np.random.default_rng(1)
    true, found = random.random((300, 2)) < 0.3, random.random((300, 2)) < 0.3
    found |= true & (random.random((300, 2)) < 0.7)
    drawn = [
        np.concatenate([np.arange(a * 10, a * 10 + 10) for a in random.integers(0, 30, 30)])
        for _ in range(600)
    ]
    f1 = [f1_score(true[rows], found[rows], average=None) for rows in drawn]
    groups = [str(i // 10) for i in range(300)]
    intervals = bootstrap_intervals(true, found, found.astype(float), groups, 600, 0)
    expected = np.percentile(f1, [2.5, 97.5], axis=0).T
    np.testing.assert_allclose(intervals["f1"][:2], expected, atol=0.02)


def test_a_label_that_a_resample_lacks_counts_0():
    true = np.array([[True], [False]])
    intervals = bootstrap_intervals(true, true, true.astype(float), ["a", "b"], 50, 0)
    assert intervals["average_precision"].tolist() == [[0, 1], [0, 1]]


def test_one_scale_mends_a_softmax_that_is_too_sure():
    random = np.random.default_rng(0)
    logits = random.normal(size=(4000, 3)).astype(np.float32)
    odds = np.exp(logits)
    drawn = (odds / odds.sum(1, keepdims=True)).cumsum(1) > random.random((4000, 1))
    true = np.eye(3, dtype=bool)[drawn.argmax(1)]
    found = calibrate.fit(3 * logits, true, "abc", "multi-class")
    np.testing.assert_allclose(found.scale, 1 / 3, rtol=0.1)
    np.testing.assert_allclose(
        found.scores(3 * logits), odds / odds.sum(1, keepdims=True), atol=0.05
    )
    assert (found.given(found.scores(logits)).argmax(1) == logits.argmax(1)).all()


def test_too_few_sentences_keep_the_calibration_of_the_start():
    start = calibrate.Calibration.identity(("a", "b"))
    random = np.random.default_rng(0)
    true = np.stack([random.random(60) < 0.5, np.arange(60) < 3], axis=1)
    logits = (true + random.normal(size=(60, 2))).astype(np.float32)
    found = calibrate.fit(logits, true, ("a", "b"), start=start)
    assert found.scale[1] == 1 and found.thresholds[1] == 0.5 and found.bias[0] != 0
