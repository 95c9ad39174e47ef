"""Scores of a task, and the calibration of classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from training import calibrate
from training.data import Task
from training.metrics import scores, uncalibrated

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
