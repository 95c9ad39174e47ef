"""Logits to calibrated scores, thresholds and the uncertain band.

Scores are ``sigmoid(scale * logit + bias)`` with one scale and one bias a label (Platt, 1999:
"Probabilistic outputs for support vector machines"), and scales of their own for logits below -2
and above 2 (a linear spline; Lucena, 2018: "Spline-based probability calibration"), set on
development articles. Where exactly one of the labels holds, a softmax takes the place of the
sigmoid, and one scale serves all labels (temperature scaling; Guo et al., 2017: "On calibration of
modern neural networks").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

TASKS = ("multi-label", "multi-class")
"""Whether any number of labels can hold, or exactly one does."""

BEND = 2.0
"""The scale of a label changes at the logits ``-BEND`` and ``BEND``."""


def probabilities(log_odds: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the scores in 0..1, float32, that log-odds of the same shape stand for."""
    # No score is a certainty: beyond 15 float32 would round to 1.
    return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -15, 15))), np.float32)


@dataclass(frozen=True)
class Calibration:
    """How the logits of one model become scores and labels.

    Attributes
    ----------
    labels
        Names of the labels, in column order.
    scale, bias
        float32 [labels], applied to the logits before the sigmoid.
    tails
        float32 [labels, 2], the scales below a logit of -2 and above 2.
    thresholds
        float32 [labels], in 0..1; a label is given where its score reaches its threshold. In
        ``"multi-class"`` the label with the highest score is given, whatever its threshold.
    uncertain
        float32 [labels, 2], lowest and highest score of the band in which the model is wrong
        more often than one time in four; lowest above highest means no band.
    task
        One of `TASKS`.
    """

    labels: tuple[str, ...]
    scale: NDArray[np.float32]
    bias: NDArray[np.float32]
    tails: NDArray[np.float32]
    thresholds: NDArray[np.float32]
    uncertain: NDArray[np.float32]
    task: str = "multi-label"

    @classmethod
    def identity(cls, labels: Sequence[str], task: str = "multi-label") -> Calibration:
        """Return plain sigmoids (softmax) with thresholds of 0.5 and no uncertain band."""
        ones = np.ones(len(labels), np.float32)
        pair = np.stack([ones, ones], axis=1)
        band = np.stack([ones, 0 * ones], axis=1)
        return cls(tuple(labels), ones, 0 * ones, pair, 0.5 * ones, band, task)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], task: str = "multi-label") -> Calibration:
        """Read what `to_dict` returned; raises KeyError, TypeError or ValueError if malformed."""
        if task not in TASKS:
            raise ValueError(f"task {task!r} is none of {TASKS}")
        labels = tuple(values)
        # A file without tails has one scale throughout.
        rows = [{"tails": [values[k]["scale"]] * 2, **values[k]} for k in labels]
        columns = {
            key: np.array([row[key] for row in rows], np.float32)
            for key in ("scale", "bias", "tails", "threshold", "uncertain")
        }
        if not all(np.isfinite(column).all() for column in columns.values()):
            raise ValueError("calibration values must be finite")
        for key, column in columns.items():
            count = 2 if key in ("tails", "uncertain") else 1
            if column.shape != (len(labels), 2)[:count]:
                raise ValueError(f"{key!r} must hold {('one number', 'two numbers')[count - 1]}")
        columns["thresholds"] = columns.pop("threshold")
        if not ((columns["thresholds"] >= 0) & (columns["thresholds"] <= 1)).all():
            raise ValueError("thresholds must lie in 0..1")
        return cls(labels, **columns, task=task)

    def to_dict(self) -> dict[str, Any]:
        """Return one dict a label: scale, bias, tails, threshold, uncertain (lowest, highest)."""
        return {
            label: {
                "scale": round(float(self.scale[i]), 5),
                "bias": round(float(self.bias[i]), 5),
                "tails": [round(float(v), 5) for v in self.tails[i]],
                "threshold": round(float(self.thresholds[i]), 5),
                "uncertain": [round(float(v), 5) for v in self.uncertain[i]],
            }
            for i, label in enumerate(self.labels)
        }

    def log_odds(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the log-odds of the scores, float32 [n, labels], for logits of that shape."""
        middle = np.clip(logits, -BEND, BEND)
        tails = np.where(logits < 0, self.tails[:, 0], self.tails[:, 1])
        scaled = middle * self.scale + (logits - middle) * tails + self.bias
        if self.task == "multi-class":  # each label against all others
            scaled = scaled.astype(np.float64)
            scaled -= scaled.max(axis=1, keepdims=True)
            parts = np.exp(scaled)
            scaled -= np.log(np.maximum(parts.sum(axis=1, keepdims=True) - parts, 1e-30))
        return np.asarray(scaled, np.float32)

    def scores(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return calibrated probabilities, float32 [n, labels], for logits of that shape."""
        return probabilities(self.log_odds(logits))

    def given(
        self, scores: NDArray[np.float32], thresholds: NDArray[np.float32] | None = None
    ) -> NDArray[np.bool_]:
        """Tell for each score, bool [n, labels], whether its label is given.

        `thresholds` (float32 [labels]) take the place of the calibration's own.
        """
        if self.task == "multi-class":
            return np.asarray(np.eye(len(self.labels), dtype=np.bool_)[scores.argmax(axis=1)])
        return np.asarray(scores >= (self.thresholds if thresholds is None else thresholds))

    def with_thresholds(self, thresholds: Mapping[str, float] | None) -> NDArray[np.float32]:
        """Return the thresholds, those that are named replaced.

        Raises
        ------
        TypeError
            If `thresholds` is no mapping.
        ValueError
            If a label is unknown, a threshold lies outside 0..1, or the task has no thresholds.
        """
        if not isinstance(thresholds, Mapping | None):
            raise TypeError(
                f"thresholds must be a dict, such as {{'label': 0.7}}, not {thresholds!r}"
            )
        if thresholds and self.task == "multi-class":
            raise ValueError("this model gives the one best label: it has no thresholds to set")
        chosen: NDArray[np.float32] = self.thresholds.copy()
        for label, value in (thresholds or {}).items():
            if label not in self.labels:
                raise ValueError(f"unknown label {label!r}; known: {', '.join(self.labels)}")
            if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
                raise ValueError(f"threshold of {label!r} must be a number, not {value!r}")
            if not 0 <= value <= 1:
                raise ValueError(f"threshold of {label!r} must lie in 0..1, not {value!r}")
            chosen[self.labels.index(label)] = value
        return chosen

    def is_uncertain(
        self, scores: NDArray[np.float32], given: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Tell for each score, bool [n, labels], whether giving or not giving it is uncertain.

        `given` (bool [n, labels], of `given`) may come from any thresholds: a label that is given
        is uncertain up to the highest score of the band, one that is not from the lowest on.
        """
        low, high = self.uncertain.T
        return np.asarray(np.where(given, scores <= high, scores >= low), np.bool_)
