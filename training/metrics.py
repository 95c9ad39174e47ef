"""Scores of models: F1 as papers report it, calibration error, intervals over articles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from conflict_nlp.calibration import Calibration
from training.task import Task

FEW_ARTICLES = 40
"""Of intervals over fewer articles that should hold in 95 cases of 100, 75 to 90 do."""


def uncalibrated(logits: NDArray[np.float32], task: Task) -> NDArray[np.bool_]:
    """Return the labels given at probability 0.5, or the best class; bool [n, labels]."""
    plain = Calibration.identity(task.labels, task.kind)
    return plain.given(plain.scores(logits))


def scores(true: NDArray[np.bool_], given: NDArray[np.bool_], task: Task) -> dict[str, float]:
    """Return the F1 of given labels, each in 0..1.

    Parameters
    ----------
    true, given
        bool [n, labels].
    task
        Names of the columns, and of what kind the task is.

    Returns
    -------
    dict
        The one to compare models by comes first. For one label ``f1``. For several
        ``f1_macro``, the mean over the labels, and ``f1_<label>``; the mean over classes leaves
        out those neither true nor given anywhere. If any number of labels can hold also
        ``f1_examples``: the mean, over the texts with a true or given label, of
        2 |true and given| / (|true| + |given|).
    """
    f1 = precision_recall_f1(true, given)["f1"]
    if len(task.labels) == 1:
        return {"f1": float(f1[0])}
    counted = (true | given).any(axis=0) | (task.kind == "multi-label")
    found = {"f1_macro": float(f1[counted].mean())}
    if task.kind == "multi-label":
        sizes = true.sum(axis=1) + given.sum(axis=1)
        each = 2 * (true & given).sum(axis=1) / np.maximum(sizes, 1)
        found["f1_examples"] = float(each[sizes > 0].mean()) if sizes.any() else 0.0
    by_label = {f"f1_{label}": float(value) for label, value in zip(task.labels, f1)}
    return found | by_label | found  # a label may be called macro


def resamples(
    groups: Sequence[Any] | NDArray[Any], rounds: int, seed: int
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Draw groups of sentences with replacement, as a bootstrap does; of articles, say.

    The sentences of one article resemble each other, so that sentences drawn one by one would
    make intervals too narrow.

    Parameters
    ----------
    groups
        The group of each sentence.
    rounds, seed
        Number of resamples, and the seed that draws them.

    Returns
    -------
    which, counts
        [sentences] the number of its group, and [rounds, groups] how often each group is drawn.
    """
    names, which = np.unique(np.asarray(groups), return_inverse=True)
    shares = np.full(len(names), 1 / len(names))
    return which, np.random.default_rng(seed).multinomial(len(names), shares, size=rounds)


def precision_recall_f1(
    true: NDArray[np.bool_], given: NDArray[np.bool_], weights: NDArray[np.float64] | None = None
) -> dict[str, NDArray[np.float64]]:
    """Return precision, recall and F1, each an array with one value a label.

    Arrays are [sentences, labels]; `weights` [sentences] counts each sentence so many times, or
    once. What has no sentence to be measured on counts 0.
    """
    weights = np.ones(len(true)) if weights is None else weights
    both, positives, predicted = (weights @ part for part in (true & given, true, given))
    return {
        "precision": both / np.maximum(predicted, 1),
        "recall": both / np.maximum(positives, 1),
        "f1": 2 * both / np.maximum(positives + predicted, 1),
    }


def by_label(
    true: NDArray[np.bool_],
    given: NDArray[np.bool_],
    scores: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> dict[str, NDArray[np.float64]]:
    """Return what `precision_recall_f1` returns, and the average precision of the scores."""
    average_precision = [
        average_precision_score(*column, sample_weight=weights) if weights @ column[0] else 0.0
        for column in zip(true.T, scores.T)
    ]
    return {
        **precision_recall_f1(true, given, weights),
        "average_precision": np.array(average_precision),
    }


def bootstrap_intervals(
    true: NDArray[np.bool_],
    given: NDArray[np.bool_],
    scores: NDArray[np.float64],
    groups: Sequence[str],
    rounds: int,
    seed: int,
) -> dict[str, NDArray[np.float64]]:
    """Return the 95% interval of each value of `by_label` over resampled articles.

    They are the 2.5 and 97.5 percentiles, [labels + 1, 2], of the labels and, last, of their mean.
    """
    which, counts = resamples(groups, rounds, seed)
    samples = [by_label(true, given, scores, drawn[which].astype(float)) for drawn in counts]
    intervals = {}
    for name in samples[0]:
        values = np.array([sample[name] for sample in samples])
        values = np.column_stack([values, values.mean(axis=1)])
        intervals[name] = np.percentile(values, [2.5, 97.5], axis=0).T
    return intervals


def by_article(
    true: NDArray[np.bool_], given: NDArray[np.bool_], groups: Sequence[str]
) -> dict[str, NDArray[np.float64]]:
    """Return how well articles are found that have a label, which at least one sentence has.

    Returns
    -------
    dict
        What `precision_recall_f1` returns, of articles in place of sentences, and ``articles``,
        the number of those that have the label.
    """
    names, which = np.unique(np.asarray(groups), return_inverse=True)
    have, found = np.zeros((2, len(names), true.shape[1]), np.bool_)
    np.logical_or.at(have, which, true)
    np.logical_or.at(found, which, given)
    values = precision_recall_f1(have, found)
    return {**values, "articles": have.sum(axis=0)}


def by_source(
    true: NDArray[np.bool_], given: NDArray[np.bool_], groups: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Return for each source, the part of an article's id before ``-``, sentences and macro F1.

    The mean is over the labels that at least one sentence of the source has or is given.
    """
    sources = np.array([group.split("-")[0] for group in groups])
    found = {}
    for source in np.unique(sources):
        rows = sources == source
        f1 = precision_recall_f1(true[rows], given[rows])["f1"]
        counted = (true[rows] | given[rows]).any(axis=0)
        mean = float(f1[counted].mean()) if counted.any() else 0.0
        found[str(source)] = {"sentences": int(rows.sum()), "macro_f1": round(mean, 4)}
    return found


def expected_calibration_error(
    scores: NDArray[np.floating], true: NDArray[np.bool_], bins: int = 10
) -> float:
    """Return the mean gap between score and share of true sentences over equally wide bins.

    Guo et al., 2017: "On calibration of modern neural networks", with the score of the label
    itself in place of the confidence.
    """
    which = np.minimum((scores * bins).astype(int), bins - 1)
    gaps = [
        abs(scores[which == b].mean() - true[which == b].mean()) * (which == b).mean()
        for b in np.unique(which)
    ]
    return float(np.sum(gaps))


def measure(
    calibration: Calibration, scores: NDArray[np.float32], targets: NDArray[np.bool_]
) -> dict[str, dict[str, float]]:
    """Return F1, threshold and calibration error of each label, by its name."""
    f1 = precision_recall_f1(targets, calibration.given(scores))["f1"]
    return {
        label: {
            "F1": round(float(f1[i]), 3),
            "threshold": round(float(calibration.thresholds[i]), 2),
            "calibration error": round(expected_calibration_error(scores[:, i], targets[:, i]), 3),
        }
        for i, label in enumerate(calibration.labels)
    }


def card_table(measured: dict[str, dict[str, float]]) -> str:
    """Return what `training.calibrate.write_calibration` measured as a Markdown table."""
    columns = list(next(iter(measured.values())))
    lines = [["label", *columns], ["---"] * (len(columns) + 1)]
    lines += [[f"`{label}`", *map(str, row.values())] for label, row in measured.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
