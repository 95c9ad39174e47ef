"""Set how the sentences around one move its scores, where that is shown to help.

Needs articles that the model has not learnt from, with all their sentences in reading order. What
is fitted is kept if, by cross-validation in which no article is cut in two, it lowers the loss by
more than chance.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from conflict_nlp.context import Context, features

log = logging.getLogger(__name__)

_FEWEST_ARTICLES, _FEWEST_SENTENCES = 50, 10
_FOLDS, _ROUNDS = 5, 1000


def fit_context(
    log_odds: NDArray[np.float32],
    targets: NDArray[np.bool_],
    articles: Sequence[str],
    labels: Sequence[str],
) -> Context | None:
    """Fit a context by logistic regression, or return None where it is not shown to help.

    Parameters
    ----------
    log_odds
        float32 [n, labels], calibrated, of sentences that the model was not trained on.
    targets
        bool [n, labels].
    articles
        Of each sentence its article's name; those of an article adjacent, in reading order.
    labels
        Names of the columns.

    Returns
    -------
    Context or None
        None where fewer than 50 articles have two sentences or more, a label holds in fewer than
        10 of these, or the 95% interval of the cross-validated gain in log-likelihood (bootstrap
        over articles) reaches zero.
    """
    rows: list[int] = []
    groups: list[int] = []
    blocks = []
    start = 0
    for number, (_, same) in enumerate(groupby(articles)):
        end = start + len(list(same))
        if end - start > 1:
            rows += range(start, end)
            groups += [number] * (end - start)
            blocks.append(features(log_odds[start:end]))
        start = end
    if len(blocks) < _FEWEST_ARTICLES or targets[rows].sum(0).min() < _FEWEST_SENTENCES:
        log.info("too few articles to fit a context")
        return None
    known, true, alone = np.concatenate(blocks), targets[rows], log_odds[rows]
    together = np.zeros_like(alone)
    for learnt, other in GroupKFold(_FOLDS, shuffle=True, random_state=0).split(
        known, None, groups
    ):
        together[other] = _fit(known[learnt], true[learnt], labels).log_odds_of(known[other])
    gain = (_loss(alone, true) - _loss(together, true)).mean(1)
    low, high = _interval(gain, np.array(groups))
    log.info("context: log-likelihood of a label +%.4f (%.4f to %.4f)", gain.mean(), low, high)
    return _fit(known, true, labels) if low > 0 else None


def _fit(known: NDArray[np.float32], true: NDArray[np.bool_], labels: Sequence[str]) -> Context:
    # In units of their deviation, that the penalty may weigh all alike.
    units = known.std(0) + 1e-6
    fitted = [LogisticRegression(max_iter=1000).fit(known / units, row) for row in true.T]
    weights = np.stack([each.coef_[0] / units for each in fitted], axis=1)
    bias = np.array([each.intercept_[0] for each in fitted])
    return Context(tuple(labels), weights.astype(np.float32), bias.astype(np.float32))


def _loss(log_odds: NDArray[np.float32], true: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.logaddexp(0, np.where(true, -log_odds, log_odds).astype(np.float64))


def _interval(values: NDArray[np.float64], groups: NDArray[np.intp]) -> tuple[float, float]:
    """Return the 95% interval of the mean over resampled groups."""
    _, which = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(which, values), np.bincount(which)
    random = np.random.default_rng(0)
    drawn = random.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=_ROUNDS)
    low, high = np.percentile((drawn @ sums) / (drawn @ counts), [2.5, 97.5])
    return float(low), float(high)
