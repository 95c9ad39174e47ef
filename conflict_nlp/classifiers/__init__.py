"""Engines: each turns texts into logits, and knows nothing of thresholds, files or results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from conflict_nlp.store import ModelError, ModelFolder


class Classifier(Protocol):
    """What every engine offers."""

    labels: tuple[str, ...]

    def logits(
        self, texts: Sequence[str], batch_size: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Classify `texts`, at most `batch_size` at a time.

        Returns
        -------
        logits
            float32 [texts, labels], unbounded; row i belongs to text i.
        truncated
            bool [texts], True where the text was longer than the model reads.
        """


def load(folder: ModelFolder) -> Classifier:
    """Return the engine that the manifest of a checked folder names.

    Raises
    ------
    ModelError
        If no engine has that name, or the folder lacks what the engine needs.
    ImportError
        If the engine needs a package that is not installed; names the extra that brings it.
    """
    engine = folder.manifest.get("engine")
    if engine == "onnx":
        from conflict_nlp.classifiers.onnx import OnnxClassifier

        return OnnxClassifier(folder)
    if engine == "baseline":
        from conflict_nlp.classifiers.baseline import BaselineClassifier

        return BaselineClassifier.from_folder(folder)
    raise ModelError(
        f"{folder.path / 'manifest.json'} names the engine {engine!r}, which this version of the "
        "library does not have: use the version that made the model"
    )
