"""What the sentences around one say about it.

"Two of the victims were from the capital" tells of violence in one article and of an epidemic in
another. The log-odds of each label become a linear function of those of all labels, of the sentence
itself, of the sentences near it, and of all others of its article (Cohen & Carvalho, 2005: "Stacked
sequential learning"). Weights are set on development articles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

LONGEST = 128
"""Sentences that are read together; a longer article is read in equal parts."""

T = TypeVar("T")

_PARTS = ("sentence", "near", "article")
_LIMIT = 6.0  # a sentence that is beyond doubt says no more than one that is sure


def parts(sentences: Sequence[T]) -> list[Sequence[T]]:
    """Cut the sentences of an article into parts of like length, none over `LONGEST`."""
    count = -(-len(sentences) // LONGEST)
    ends = [len(sentences) * i // count for i in range(count + 1)] if count else []
    return [sentences[start:end] for start, end in pairwise(ends)]


def features(log_odds: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the log-odds in an article depend on.

    Parameters
    ----------
    log_odds
        float32 [n, labels], calibrated, of an article's sentences in reading order, 2 or more.

    Returns
    -------
    numpy.ndarray
        float32 [n, 3 * labels]: each sentence's own, clipped to -6..6; the mean of the others',
        weighted by ``exp(-distance)``; and their plain mean.
    """
    own = np.clip(log_odds, -_LIMIT, _LIMIT)
    positions = np.arange(len(own))
    weights = np.exp(-np.abs(positions[:, None] - positions)) - np.eye(len(own))
    near = weights @ own / weights.sum(axis=1, keepdims=True)
    others = (own.sum(axis=0) - own) / (len(own) - 1)
    return np.hstack([own, near, others]).astype(np.float32)


@dataclass(frozen=True)
class Context:
    """How an article moves the log-odds of its sentences.

    Attributes
    ----------
    labels
        Names of the labels, in column order.
    weights
        float32 [3 * labels, labels], of the columns of `features` for each label.
    bias
        float32 [labels].
    """

    labels: tuple[str, ...]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Context:
        """Read what `to_dict` returned; raises KeyError, TypeError or ValueError if malformed."""
        labels = tuple(values)
        rows = [[values[label][part] for label in labels] for part in _PARTS]
        weights = np.concatenate([np.array(row, np.float32).T for row in rows])
        bias = np.array([values[label]["bias"] for label in labels], np.float32)
        if weights.shape != (len(_PARTS) * len(labels), len(labels)) or bias.shape != (
            len(labels),
        ):
            raise ValueError("a label needs one weight for each label, and one bias")
        if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
            raise ValueError("weights must be finite")
        return cls(labels, weights, bias)

    def to_dict(self) -> dict[str, Any]:
        """Return one dict a label: weights of all labels in ``sentence``, ``near``, ``article``."""
        columns = np.stack(np.split(self.weights, len(_PARTS))).transpose(2, 0, 1).tolist()
        return {
            label: {
                **{part: [round(w, 5) for w in row] for part, row in zip(_PARTS, columns[i])},
                "bias": round(float(self.bias[i]), 5),
            }
            for i, label in enumerate(self.labels)
        }

    def log_odds(self, log_odds: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the log-odds in the article, float32 [n, labels], for those of each alone.

        A sentence that stands alone keeps its own.
        """
        if len(log_odds) < 2:
            return log_odds
        return self.of_features(features(log_odds))

    def of_features(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the log-odds in the article, float32 [n, labels], for rows of `features`."""
        return np.asarray(features @ self.weights + self.bias, np.float32)
