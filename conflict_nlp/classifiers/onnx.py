"""Transformers in ONNX, run by onnxruntime."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from conflict_nlp.classifiers.transformer import Batch, Transformer, graph_of
from conflict_nlp.store import ModelError, ModelFolder

# What a layer hands on for so many tokens fits the caches of one core.
_TOKENS_PER_BATCH = 384


def _cores() -> int:
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class OnnxClassifier(Transformer):
    """A transformer exported by ``training.export_onnx``.

    Texts are tokenized, sorted by length, and run in batches of like length, each core on a batch
    of its own: as many cores as the process may use, or as the environment variable
    ``OMP_NUM_THREADS`` says when the model is loaded. Several threads may use one classifier. A
    forked process opens a session of its own at its first use.
    """

    def __init__(self, folder: ModelFolder) -> None:
        super().__init__(folder)
        self._path = folder.path / "model.onnx"
        self._graph = graph_of(folder)
        self._lock = threading.Lock()
        self._process = -1
        self.engine = f"onnxruntime {onnxruntime.__version__}"
        self._cores = _cores()
        self._session: onnxruntime.InferenceSession
        self._open()

    def _open(self) -> onnxruntime.InferenceSession:
        # Without the lock, which another thread may hold while the process is forked.
        if self._process == os.getpid():
            return self._session
        with self._lock:
            if self._process == os.getpid():
                return self._session
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            # Cores that share a batch wait for each other after every product.
            options.intra_op_num_threads = 1
            # The export fused what is worth fusing; fusing more makes it slower.
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
            try:
                self._session = onnxruntime.InferenceSession(
                    self._graph, options, providers=["CPUExecutionProvider"]
                )
            except Exception as error:  # onnxruntime has no public base of its errors
                raise ModelError(f"{self._path} cannot be used: {error}") from None
            self._process = os.getpid()
            return self._session

    def batches(self, lengths: Sequence[int], batch_size: int) -> Iterator[slice]:
        """Yield parts of about as many tokens each, and as many parts for each core."""
        total = sum(lengths)
        rounds = -(-total // (_TOKENS_PER_BATCH * self._cores))
        share = total / max(1, rounds * self._cores)
        start, tokens, end = 0, 0, share
        for stop, length in enumerate(lengths, 1):
            tokens += length
            if tokens < end and stop - start < batch_size:
                continue
            yield slice(start, stop)
            start = stop
            end = end + share if tokens >= end else tokens + share
        if start < len(lengths):
            yield slice(start, len(lengths))

    def run(self, batches: Iterator[Batch]) -> NDArray[np.float32]:
        """Run the batches, as many at a time as there are cores."""
        session = self._open()

        def logits(batch: Batch) -> NDArray[np.float32]:
            feed = dict(zip(("input_ids", "attention_mask"), batch))
            return np.asarray(session.run(None, feed)[0], np.float32)

        first, *others = batches
        if not others:
            return logits(first)
        with ThreadPoolExecutor(self._cores) as pool:
            try:
                results: Iterable[NDArray[np.float32]] = pool.map(logits, [first, *others])
            except RuntimeError:  # no threads are started while the interpreter shuts down
                results = map(logits, [first, *others])
            return np.concatenate(list(results))
