"""What is handed in to be tagged: checks that name what is wrong, and windows over streams."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress


def strings(sentences: Iterable[str]) -> Iterator[str]:
    """Yield each sentence as a plain str; raises TypeError that names the position of what is none.

    What is no iterable of strings at all raises at the call.
    """
    if hasattr(sentences, "columns"):  # a data frame is an iterable of their names
        raise TypeError("sentences must not be a data frame: give one of its columns")
    if isinstance(sentences, (bytes, Mapping)) or not isinstance(sentences, Iterable):
        raise TypeError(
            f"sentences must be a string or an iterable of strings, not {type(sentences).__name__}"
        )
    return (_string(item, position) for position, item in enumerate(sentences))


def _string(item: object, position: int) -> str:
    if not isinstance(item, str):
        raise TypeError(f"sentence {position} must be a string, not {type(item).__name__}")
    return str(item)


def articles_of(articles: Iterable[Iterable[str]]) -> Iterator[list[str]]:
    """Yield each article's sentences; raises TypeError that names the position of what is wrong.

    What is no iterable of articles at all raises at the call.
    """
    if _is_single(articles):
        raise TypeError(
            f"articles must be an iterable of lists of sentences, not {type(articles).__name__}"
        )
    return (_article(sentences, position) for position, sentences in enumerate(articles))


def _article(sentences: Iterable[str], position: int) -> list[str]:
    if _is_single(sentences):
        raise TypeError(
            f"article {position} must be a list of its sentences, not "
            f"{type(sentences).__name__}: split a text, or use tag_article"
        )
    try:
        return list(strings(sentences))
    except TypeError as error:
        raise TypeError(f"article {position}: {error}") from None


def _is_single(value: object) -> bool:
    return isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable)


def windows(
    articles: Iterable[Sequence[str]], first_size: int, size: int
) -> Iterator[list[Sequence[str]]]:
    """Yield articles, as many at a time as it takes for `size` sentences, first for `first_size`.

    What raises does so after those that came before it are yielded.
    """
    taken: list[Sequence[str]] = []
    left = first_size
    failed = None
    try:
        for article in articles:
            taken.append(article)
            left -= max(len(article), 1)
            if left <= 0:
                yield taken
                taken, left = [], size
    except Exception as error:
        failed = error
    if taken:
        yield taken
    if failed is not None:
        raise failed


def checked_size(batch_size: int) -> int:
    """Return a batch size; raises ValueError if it is no whole number of 1 or more."""
    return checked_count(batch_size, "batch_size")


def checked_count(value: int, name: str) -> int:
    """Return a value as int; raises ValueError if it is no whole number of 1 or more."""
    with suppress(TypeError):  # numpy has whole numbers of its own
        if not isinstance(value, bool) and operator.index(value) >= 1:
            return operator.index(value)
    raise ValueError(f"{name} must be a whole number of 1 or more, not {value!r}")
