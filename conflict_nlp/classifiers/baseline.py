"""TF-IDF with one-vs-rest logistic regression, made by scikit-learn and saved with joblib."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conflict_nlp.store import ModelError, ModelFolder


class BaselineClassifier:
    """A scikit-learn pipeline with ``decision_function``.

    A joblib file can run code when it is loaded: one that was not shipped is loaded only through
    ``Tagger.from_pretrained(folder, trust=True)``.
    """

    def __init__(self, pipeline: Any, labels: Sequence[str]) -> None:
        import sklearn

        self.labels = tuple(labels)
        self.engine = f"scikit-learn {sklearn.__version__}"
        self._pipeline = pipeline

    @classmethod
    def from_folder(cls, folder: ModelFolder) -> BaselineClassifier:
        """Load from a checked model folder."""
        pipeline = _unpickle(folder.file("model.joblib"), folder.path / "model.joblib")
        return cls(pipeline, folder.manifest["labels"])

    @classmethod
    def from_joblib(cls, path: Path, labels: Sequence[str]) -> BaselineClassifier:
        """Load a joblib file that the caller trusts."""
        return cls(_unpickle(path.read_bytes(), path), labels)

    def logits(
        self, texts: Sequence[str], batch_size: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Classify `texts` in one go; `batch_size` has no meaning here, nothing is truncated."""
        if not texts:
            return np.empty((0, len(self.labels)), np.float32), np.zeros(0, np.bool_)
        logits = np.asarray(self._pipeline.decision_function(list(texts)), np.float32)
        logits = logits.reshape(len(texts), -1)  # of one label scikit-learn gives no column
        if logits.shape != (len(texts), len(self.labels)):
            raise ModelError(
                f"the model gives {logits.shape[1:]} scores a sentence, not {len(self.labels)}: "
                "its labels must be those of the library, in their order"
            )
        return logits, np.zeros(len(texts), np.bool_)


def _unpickle(content: bytes, path: Path) -> Any:
    try:
        import joblib
        import sklearn  # noqa: F401
    except ImportError:
        raise ImportError(
            'this model needs scikit-learn and joblib: pip install "conflict-nlp[baseline]"'
        ) from None
    try:
        return joblib.load(io.BytesIO(content))
    except Exception as error:  # whatever unpickling raises
        raise ModelError(f"{path} cannot be loaded: {error}; train the model again") from error
