"""Is a new model better than an old one? Both on the same held-out articles, seen whole.

    python -m training.benchmark --data test.jsonl --compare default runs/mine-onnx

The interval is that of the difference: each bootstrap resample of the articles scores both models,
so that what makes articles hard or easy for both cancels out.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from conflict_nlp.predict import Tagger
from training.data import article_groups, read_sentences, texts_by_article
from training.metrics import FEW_ARTICLES, resamples
from training.progress import track
from training.task import models_task

_ALIKE = "not distinguishable"


def paired_differences(
    true: NDArray[np.bool_],
    old: NDArray[np.bool_],
    new: NDArray[np.bool_],
    groups: Sequence[str],
    rounds: int,
    seed: int,
) -> NDArray[np.float64]:
    """Return how the F1 of two models differ on the same articles.

    Parameters
    ----------
    true, old, new
        [sentences, labels]: the right labels, and those that each model gives.
    groups
        The article of each sentence; articles are resampled, for both models alike.
    rounds, seed
        Number of bootstrap resamples, and the seed that draws them.

    Returns
    -------
    numpy.ndarray
        [labels + 1, 5], the macro mean last: F1 of the old and of the new model, difference (new
        less old), and the ends of its 95% bootstrap interval.
    """
    which, drawn = resamples(groups, rounds, seed)
    articles, labels = drawn.shape[1], true.shape[1]
    weights = np.concatenate([np.ones((1, articles)), drawn])  # the articles as they are come first
    f1 = np.empty((2, rounds + 1, labels + 1))
    for scores, given in zip(f1, (old, new)):
        both, either = np.zeros((2, articles, labels))
        np.add.at(both, which, true & given)
        np.add.at(either, which, true.astype(int) + given)
        scores[:, :-1] = 2 * (weights @ both) / np.maximum(weights @ either, 1)
    f1[:, :, -1] = f1[:, :, :-1].mean(axis=2)
    difference = f1[1] - f1[0]
    interval = np.percentile(difference[1:], [2.5, 97.5], axis=0)
    return np.stack([*f1[:, 0], difference[0], *interval], axis=1)


def compare(names: Sequence[str], paths: Sequence[Path], rounds: int, seed: int) -> str:
    """Return a table of how the second model differs from the first, and what to make of it.

    Parameters
    ----------
    names
        Names or folders of the old and of the new model.
    paths
        Labelled files, with the labels of the models.
    rounds, seed
        Number of bootstrap resamples, and the seed that draws them.

    Raises
    ------
    FileNotFoundError, ModelError
        As `training.task.models_task`.
    ValueError
        As that, or if there are fewer than two articles.
    """
    task = models_task(names, paths)
    labels = task.labels
    taggers = [Tagger.from_pretrained(name, trust=True) for name in names]
    data = read_sentences(paths, task)
    articles, groups = texts_by_article(data), article_groups(data["article"])
    true = np.array(data["targets"]) >= 0.5
    number = len(set(groups))
    if number < 2:
        raise ValueError("the data are one article: there is nothing to resample")
    old_given, new_given = (
        np.array(
            [
                [label in found.labels for label in labels]
                for found in chain.from_iterable(tagger.predict_articles(articles))
            ]
        )
        for tagger in track(taggers, "models")
    )
    rows = paired_differences(true, old_given, new_given, groups, rounds, seed)
    old, new = names
    lines = [
        f"| label | n | F1 of {old} | F1 of {new} | difference | 95% interval | {new} is |",
        "|---|---|---|---|---|---|---|",
    ]
    for label, n, row in zip((*labels, "macro"), (*true.sum(axis=0), ""), rows):
        lines.append(
            "| {} | {} | {:.3f} | {:.3f} | {:+.3f} | {:+.3f} to {:+.3f} | ".format(label, n, *row)
            + f"{_verdict(*row[3:])} |"
        )
    low, high = rows[-1, 3:]
    verdict = _verdict(low, high)
    word = "from" if verdict == _ALIKE else "than"
    lines += [
        "",
        f"{new} is {verdict} {word} {old} on these {number} articles ({len(data)} sentences): "
        f"macro F1 {rows[-1, 2]:+.3f}, 95% interval {low:+.3f} to {high:+.3f}.",
    ]
    if number < FEW_ARTICLES:
        lines.append("So few articles make such an interval too narrow: label more.")
    return "\n".join(lines) + "\n"


def _verdict(low: float, high: float) -> str:
    return "better" if low > 0 else "worse" if high < 0 else _ALIKE
