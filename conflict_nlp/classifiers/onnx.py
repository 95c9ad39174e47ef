"""Transformers in ONNX, run by onnxruntime."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from conflict_nlp.sentences import replace_surrogates
from conflict_nlp.store import ModelError, ModelFolder

# No tokenizer makes fewer than one token of this many characters of running text; what lies
# behind could not be read anyway, and tokenizing a whole book takes long.
_CHARACTERS_PER_TOKEN = 64


class OnnxClassifier:
    """A transformer exported by ``training.export_onnx``.

    Texts are tokenized, sorted by length, and run in batches of like length. Several threads may
    use one classifier. A forked process opens a session of its own at its first use.
    """

    def __init__(self, folder: ModelFolder) -> None:
        self.labels = tuple(folder.manifest["labels"])
        self._folder = folder
        self._lock = threading.Lock()
        self._process = -1
        self._session: onnxruntime.InferenceSession
        try:
            self._max_length = int(folder.manifest["max_length"])
            self._tokenizer = Tokenizer.from_str(folder.file("tokenizer.json").decode("utf-8"))
        except ModelError:
            raise
        except Exception as error:  # tokenizers raises bare Exception
            raise ModelError(f"{folder.path / 'tokenizer.json'} cannot be used: {error}") from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._pad = int(folder.manifest.get("pad_token_id", 0))
        self._open()

    def _open(self) -> onnxruntime.InferenceSession:
        with self._lock:
            if self._process == os.getpid():
                return self._session
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 3
            # Without the arena memory goes back after a long batch.
            options.enable_cpu_mem_arena = False
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

    def logits(
        self, texts: Sequence[str], batch_size: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Classify `texts`; see `conflict_nlp.classifiers.Classifier`."""
        session = self._open()
        longest = self._max_length * _CHARACTERS_PER_TOKEN
        clipped = [replace_surrogates(text[:longest]) for text in texts]
        encoded = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(clipped)]
        truncated = np.array(
            [len(ids) > self._max_length or len(t) > longest for ids, t in zip(encoded, texts)],
            np.bool_,
        )
        logits = np.empty((len(texts), len(self.labels)), np.float32)
        for rows in _batches([min(len(ids), self._max_length) for ids in encoded], batch_size):
            logits[rows] = session.run(None, self._feed([encoded[row] for row in rows]))[0]
        return logits, truncated

    def _feed(self, rows: list[list[int]]) -> dict[str, NDArray[np.int64]]:
        width = min(max(map(len, rows)), self._max_length)
        ids = np.full((len(rows), width), self._pad, np.int64)
        mask = np.zeros((len(rows), width), np.int64)
        for i, row in enumerate(rows):
            # A cut sentence keeps its closing token.
            kept = row if len(row) <= width else [*row[: width - 1], row[-1]]
            ids[i, : len(kept)] = kept
            mask[i, : len(kept)] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return {name: values for name, values in feed.items() if name in self._inputs}


def _batches(lengths: list[int], batch_size: int) -> Iterator[list[int]]:
    """Yield row numbers, longest texts first, in batches of like length."""
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]
