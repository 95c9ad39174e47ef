"""What every engine for transformers shares: tokens, and batches of like length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from conflict_nlp.sentences import replace_surrogates
from conflict_nlp.store import ModelError, ModelFolder

# No tokenizer makes fewer than one token of this many characters of running text; what lies
# behind could not be read anyway, and tokenizing a whole book takes long.
_CHARACTERS_PER_TOKEN = 64

Batch = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Token ids and attention mask (1 for tokens, 0 for padding), both int64 [texts, tokens]."""


def graph_of(folder: ModelFolder) -> bytes:
    """Return the ONNX file; raises ModelError if weights stand in others, which nothing checks."""
    content = folder.file("model.onnx")
    if b"location" in content:  # the key that names such a file, however it is encoded
        raise ModelError(
            f"{folder.path / 'model.onnx'} takes weights from other files, which nothing checks; "
            "it is not loaded"
        )
    return content


class Transformer:
    """Texts to tokens, sorted by length, in batches of like length, to logits.

    An engine gives `batches` and `run`.
    """

    def __init__(self, folder: ModelFolder) -> None:
        self.labels = tuple(folder.manifest["labels"])
        try:
            self.max_length = int(folder.manifest["max_length"])
            if self.max_length < 2:
                raise ValueError(f"max_length {self.max_length}")
            self._pad = int(folder.manifest.get("pad_token_id", 0))
            self._tokenizer = Tokenizer.from_str(folder.file("tokenizer.json").decode("utf-8"))
        except ModelError:
            raise
        except Exception as error:  # tokenizers raises bare Exception
            raise ModelError(
                f"{folder.path / 'tokenizer.json'} or manifest.json cannot be used: {error!r}"
            ) from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def run(self, batches: Iterator[Batch]) -> NDArray[np.float32]:
        """Return the logits of all batches one after the other, float32 [texts, labels]."""
        raise NotImplementedError

    def batches(self, lengths: Sequence[int], batch_size: int) -> Iterator[slice]:
        """Yield consecutive parts of texts with these numbers of tokens, longest first."""
        raise NotImplementedError

    def logits(
        self, texts: Sequence[str], batch_size: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Classify `texts`; see `conflict_nlp.classifiers.Classifier`."""
        longest = self.max_length * _CHARACTERS_PER_TOKEN
        clipped = [replace_surrogates(text[:longest]) for text in texts]
        encoded = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(clipped)]
        truncated = np.array(
            [len(ids) > self.max_length or len(t) > longest for ids, t in zip(encoded, texts)],
            np.bool_,
        )
        logits = np.empty((len(texts), len(self.labels)), np.float32)
        if texts:
            order = sorted(range(len(texts)), key=lambda row: -len(encoded[row]))
            rows = [encoded[row] for row in order]
            lengths = [min(len(row), self.max_length) for row in rows]
            parts = self.batches(lengths, batch_size)
            logits[order] = self.run(self._padded(rows[part]) for part in parts)
        return logits, truncated

    def _padded(self, rows: list[list[int]]) -> Batch:
        width = min(max(map(len, rows)), self.max_length)
        ids = np.full((len(rows), width), self._pad, np.int64)
        mask = np.zeros((len(rows), width), np.int64)
        for i, row in enumerate(rows):
            # A cut sentence keeps its closing token.
            kept = row if len(row) <= width else [*row[: width - 1], row[-1]]
            ids[i, : len(kept)] = kept
            mask[i, : len(kept)] = 1
        return ids, mask
