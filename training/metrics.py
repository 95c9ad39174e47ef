"""F1 as papers on such tasks report it: labels given at probability 0.5, or the best class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from conflict_nlp.calibration import Calibration
from training.data import Task


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
    sizes = true.sum(axis=0) + given.sum(axis=0)
    f1 = 2 * (true & given).sum(axis=0) / np.maximum(sizes, 1)
    if len(task.labels) == 1:
        return {"f1": float(f1[0])}
    counted = (sizes > 0) | (task.kind == "multi-label")
    found = {"f1_macro": float(f1[counted].mean())}
    if task.kind == "multi-label":
        sizes = true.sum(axis=1) + given.sum(axis=1)
        each = 2 * (true & given).sum(axis=1) / np.maximum(sizes, 1)
        found["f1_examples"] = float(each[sizes > 0].mean()) if sizes.any() else 0.0
    by_label = {f"f1_{label}": float(value) for label, value in zip(task.labels, f1)}
    return found | by_label | found  # a label may be called macro
