"""Logits to calibrated scores, thresholds and the uncertain band.

Scores are ``sigmoid(scale * logit + bias)`` with one scale and one bias a label (Platt, 1999:
"Probabilistic outputs for support vector machines"), set on development articles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Calibration:
    """How the logits of one model become scores and labels.

    Attributes
    ----------
    labels
        Names of the labels, in column order.
    scale, bias
        float32 [labels], applied to the logits before the sigmoid.
    thresholds
        float32 [labels], in 0..1; a label is given where its score reaches its threshold.
    uncertain
        float32 [labels, 2], lowest and highest score of the band in which the model is wrong
        more often than one time in four; lowest above highest means no band.
    """

    labels: tuple[str, ...]
    scale: NDArray[np.float32]
    bias: NDArray[np.float32]
    thresholds: NDArray[np.float32]
    uncertain: NDArray[np.float32]

    @classmethod
    def identity(cls, labels: Sequence[str]) -> Calibration:
        """Return plain sigmoids with thresholds of 0.5 and no uncertain band."""
        ones = np.ones(len(labels), np.float32)
        return cls(tuple(labels), ones, 0 * ones, 0.5 * ones, np.stack([ones, 0 * ones], axis=1))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibration:
        """Read what `to_dict` returned; raises KeyError or ValueError if it is malformed."""
        labels = tuple(values)
        rows = [values[label] for label in labels]
        columns = {
            key: np.array([row[key] for row in rows], np.float32)
            for key in ("scale", "bias", "threshold", "uncertain")
        }
        if not all(np.isfinite(column).all() for column in columns.values()):
            raise ValueError("calibration values must be finite")
        if columns["uncertain"].shape != (len(labels), 2):
            raise ValueError("'uncertain' must hold a lowest and a highest score")
        columns["thresholds"] = columns.pop("threshold")
        return cls(labels, **columns)

    def to_dict(self) -> dict[str, Any]:
        """Return one dict a label: scale, bias, threshold, uncertain (lowest, highest)."""
        return {
            label: {
                "scale": round(float(self.scale[i]), 5),
                "bias": round(float(self.bias[i]), 5),
                "threshold": round(float(self.thresholds[i]), 5),
                "uncertain": [round(float(v), 5) for v in self.uncertain[i]],
            }
            for i, label in enumerate(self.labels)
        }

    def scores(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return calibrated probabilities, float32 [n, labels], for logits of that shape."""
        scaled = np.clip(logits * self.scale + self.bias, -30, 30)
        return np.asarray(1 / (1 + np.exp(-scaled)), np.float32)

    def with_thresholds(self, thresholds: Mapping[str, float] | None) -> NDArray[np.float32]:
        """Return the thresholds, those that are named replaced.

        Raises
        ------
        ValueError
            If a label is unknown or a threshold lies outside 0..1.
        """
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

    def is_uncertain(self, scores: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Tell for each score, bool [n, labels], whether it lies in the uncertain band."""
        inside = (scores >= self.uncertain[:, 0]) & (scores <= self.uncertain[:, 1])
        return np.asarray(inside, np.bool_)
