"""Engines: each turns texts into logits, and knows nothing of thresholds, files or results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from conflict_nlp.store import ModelError, ModelFolder


class Classifier(Protocol):
    """What every engine offers.

    Attributes
    ----------
    labels
        Names of the columns of its logits.
    engine
        What runs it, and the version: ``"onnxruntime 1.24.1"``.
    """

    labels: tuple[str, ...]
    engine: str

    def logits(
        self, texts: Sequence[str], batch_size: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Classify `texts`, which may be none, in batches that grow with `batch_size`.

        Returns
        -------
        logits
            float32 [texts, labels], unbounded; row i belongs to text i.
        truncated
            bool [texts], True where the text was longer than the model reads.
        """


def load(folder: ModelFolder, backend: str = "onnx", device: str | None = None) -> Classifier:
    """Return the engine that the manifest of a checked folder names.

    Parameters
    ----------
    folder
        A checked model folder.
    backend
        ``"onnx"``, or ``"torch"`` to run a transformer in torch.
    device
        Where torch runs, e.g. ``"cpu"`` or ``"cuda"``; None for a GPU if there is one.

    Raises
    ------
    ModelError
        If no engine has that name, the folder lacks what the engine needs, or the engine does
        not run in torch.
    ImportError
        If the engine needs a package that is not installed; names the extra that brings it.
    ValueError
        If the backend or the device is unknown.
    """
    engine = folder.manifest.get("engine")
    if backend not in ("onnx", "torch"):
        raise ValueError(f"backend must be 'onnx' or 'torch', not {backend!r}")
    if device is not None and backend != "torch":
        raise ValueError(f"device {device!r} needs backend='torch': onnx runs on the CPU")
    if engine not in ("onnx", "baseline"):
        raise ModelError(
            f"{folder.path / 'manifest.json'} names the engine {engine!r}, which this version of "
            "the library does not have: use the version that made the model"
        )
    if backend == "torch":
        try:
            import onnx  # noqa: F401
            import torch  # noqa: F401
            import transformers  # noqa: F401
        except ImportError:
            raise ImportError(
                "backend='torch' needs torch, onnx and transformers: "
                'pip install "conflict-nlp[torch]"'
            ) from None
        from conflict_nlp.classifiers.torch import TorchClassifier

        return TorchClassifier(folder, device)
    if engine == "onnx":
        from conflict_nlp.classifiers.onnx import OnnxClassifier

        return OnnxClassifier(folder)
    from conflict_nlp.classifiers.baseline import BaselineClassifier

    return BaselineClassifier.from_folder(folder)
