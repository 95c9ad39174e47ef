"""Set how the sentences around one move its scores, where that is shown to help.

Needs articles that the model has not learnt from, with all their sentences in reading order. What
is fitted is kept if, by cross-validation in which no article is cut in two, it lowers the loss by
more than chance.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from conflict_nlp.context import Context, features, parts
from training.data import article_groups, stretches
from training.metrics import resamples

log = logging.getLogger(__name__)

_FEWEST_ARTICLES, _FEWEST_SENTENCES = 50, 10
_FOLDS, _ROUNDS = 5, 1000


def fit_context(
    log_odds: NDArray[np.float32],
    targets: NDArray[np.bool_],
    sentences: Dataset,
    labels: Sequence[str],
) -> Context | None:
    """Fit a context by logistic regression, or return None where it is not shown to help.

    Parameters
    ----------
    log_odds
        float32 [n, labels], calibrated, of sentences that the model was not trained on.
    targets
        bool [n, labels].
    sentences
        Their rows, as `training.data.read_sentences` returns them; which of them stand together
        is told by `training.data.stretches`.
    labels
        Names of the columns.

    Returns
    -------
    Context or None
        None where sentences that stand together come from fewer than 50 articles, where a label
        holds in fewer than 10 of these sentences or in all but fewer than 10, or where the 95%
        interval of the cross-validated gain in log-likelihood (bootstrap over articles) reaches
        zero.
    """
    together = [part for part in _parts(sentences) if len(part) > 1]
    rows = [row for part in together for row in part]
    true, alone = targets[rows], log_odds[rows]
    names = np.array(article_groups(sentences["article"]))[rows]
    _, groups = np.unique(names, return_inverse=True)
    fewest = np.minimum(true.sum(axis=0), (~true).sum(axis=0)).min()
    if len(np.unique(groups)) < _FEWEST_ARTICLES or fewest < _FEWEST_SENTENCES:
        log.info("context: not fitted, too few articles or sentences with and without each label")
        return None
    known = np.concatenate([features(log_odds[part]) for part in together])
    seen = np.zeros_like(alone)
    folds = GroupKFold(_FOLDS, shuffle=True, random_state=0)
    for learnt, other in folds.split(known, groups=groups):
        if not (true[learnt].sum(axis=0) > 0).all() or true[learnt].all(axis=0).any():
            log.info("context: not fitted, a label stands or lacks in too few articles")
            return None
        seen[other] = _fit(known[learnt], true[learnt], labels).of_features(known[other])
    gain = (_loss(alone, true) - _loss(seen, true)).mean(axis=1)
    low, high = _interval(gain, groups)
    told = f"log-likelihood of a label {gain.mean():+.4f}, 95% interval {low:+.4f} to {high:+.4f}"
    log.info("context: %s; %s", told, "fitted" if low > 0 else "not fitted")
    return _fit(known, true, labels) if low > 0 else None


def seen_in_article(
    context: Context, log_odds: NDArray[np.float32], sentences: Dataset
) -> NDArray[np.float32]:
    """Return the log-odds in their articles, float32 [n, labels], for those of each alone."""
    return np.concatenate([context.log_odds(log_odds[part]) for part in _parts(sentences)])


def _parts(sentences: Dataset) -> list[Sequence[int]]:
    return [part for rows in stretches(sentences) for part in parts(rows)]


def _fit(known: NDArray[np.float32], true: NDArray[np.bool_], labels: Sequence[str]) -> Context:
    # In units of their deviation, that the penalty may weigh all alike.
    units = known.std(axis=0) + 1e-6
    fitted = [LogisticRegression(max_iter=1000).fit(known / units, row) for row in true.T]
    weights = np.stack([each.coef_[0] / units for each in fitted], axis=1)
    bias = np.array([each.intercept_[0] for each in fitted])
    return Context(tuple(labels), weights.astype(np.float32), bias.astype(np.float32))


def _loss(log_odds: NDArray[np.float32], true: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.logaddexp(0, np.where(true, -log_odds, log_odds).astype(np.float64))


def _interval(values: NDArray[np.float64], groups: NDArray[np.intp]) -> tuple[float, float]:
    """Return the 95% interval of the mean over resampled groups, which are numbered from 0."""
    sums, counts = np.bincount(groups, values), np.bincount(groups)
    _, drawn = resamples(groups, _ROUNDS, seed=0)
    low, high = np.percentile((drawn @ sums) / (drawn @ counts), [2.5, 97.5])
    return float(low), float(high)
