"""Transformers in ONNX, run by onnxruntime."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from conflict_nlp.classifiers.transformer import Batch, Transformer
from conflict_nlp.store import ModelError, ModelFolder


class OnnxClassifier(Transformer):
    """A transformer exported by ``training.export_onnx``.

    Texts are tokenized, sorted by length, and run in batches of like length. Several threads may
    use one classifier. A forked process opens a session of its own at its first use.
    """

    def __init__(self, folder: ModelFolder) -> None:
        super().__init__(folder)
        self._folder = folder
        self._lock = threading.Lock()
        self._process = -1
        self._session: onnxruntime.InferenceSession
        self._open()

    def _open(self) -> onnxruntime.InferenceSession:
        with self._lock:
            if self._process == os.getpid():
                return self._session
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            # The export fused what is worth fusing; fusing more makes it slower.
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
            try:
                self._session = onnxruntime.InferenceSession(
                    self._folder.file("model.onnx"), options, providers=["CPUExecutionProvider"]
                )
            except ModelError:
                raise
            except Exception as error:  # onnxruntime has no public base of its errors
                raise ModelError(
                    f"{self._folder.path / 'model.onnx'} cannot be used: {error}"
                ) from None
            self._inputs = {node.name for node in self._session.get_inputs()}
            self._process = os.getpid()
            return self._session

    def run(self, batches: Iterator[Batch]) -> NDArray[np.float32]:
        """Run the batches one after the other."""
        session = self._open()
        logits = []
        for ids, mask in batches:
            feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            named = {name: values for name, values in feed.items() if name in self._inputs}
            logits.append(np.asarray(session.run(None, named)[0], np.float32))
        return np.concatenate(logits)
