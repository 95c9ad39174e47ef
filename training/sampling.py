"""Training batches of sentences of like length, in random order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Sampler
from transformers import Trainer

_BATCHES_SORTED = 50  # at a time: enough for like lengths, few enough for chance


class LengthGroupedSampler(Sampler[int]):  # type: ignore[misc]  # torch is not checked
    """Row numbers in an order whose consecutive batches hold texts of like length.

    What transformers calls ``group_by_length`` goes from long texts to short ones, over and over,
    and ends each epoch with short ones. These have fewer labels, so that the model leans towards
    none before it is measured or kept. Here the batches come in random order, which the seed and
    the number of the epoch decide, so that a run that was cut off goes on in the same order.

    Parameters
    ----------
    lengths
        Tokens in each text.
    batch_size
        Of one process.
    seed
        0 or more.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int) -> None:
        self._lengths = np.asarray(lengths)
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of that epoch; the first is 0."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        random = np.random.default_rng((self._seed, self._epoch))
        drawn = random.permutation(len(self))
        batches = []
        for start in range(0, len(drawn), _BATCHES_SORTED * self._batch_size):
            rows = drawn[start : start + _BATCHES_SORTED * self._batch_size]
            rows = rows[np.argsort(-self._lengths[rows], kind="stable")]
            batches += np.split(rows, range(self._batch_size, len(rows), self._batch_size))
        # The last may be short of rows, and would move the bounds of those behind it.
        for i in [*random.permutation(len(batches) - 1), -1]:
            yield from batches[i].tolist()


class LengthGroupedTrainer(Trainer):  # type: ignore[misc]  # transformers is not checked
    """A Trainer with `LengthGroupedSampler`; its data has the column ``length``."""

    def _get_train_sampler(self, *_: Any) -> LengthGroupedSampler:
        lengths = self.train_dataset["length"]
        return LengthGroupedSampler(lengths, self.args.train_batch_size, self.args.seed)
