"""What is handed in to be tagged: checks that name what is wrong, and windows over streams."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import repeat, zip_longest
from typing import Any


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
    return plain(item)


def plain(text: str) -> str:
    """Return the characters alone of a string that may be of a subclass."""
    # `str` would ask the subclass: an enum tells its name, and the text of lxml stays as it is,
    # with its whole page.
    return str.__str__(text)


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
        raise TypeError(f"article {position}: {error}") from error


def titled(
    texts: Iterable[str], titles: Iterable[str | None] | None
) -> Iterator[tuple[str, str | None]]:
    """Yield each text with its title; raises TypeError that names the position of what is none.

    What is no iterable of texts or titles at all raises at the call; titles that are too few or
    too many raise ValueError where they end.
    """
    for name, given in (("texts", texts), ("titles", [] if titles is None else titles)):
        if _is_single(given) or hasattr(given, "columns"):
            raise TypeError(f"{name} must be an iterable of strings, not {type(given).__name__}")
    return _titled(texts, titles)


def _titled(
    texts: Iterable[str], titles: Iterable[str | None] | None
) -> Iterator[tuple[str, str | None]]:
    none = object()
    pairs: Iterable[tuple[Any, Any]] = zip(texts, repeat(None))
    if titles is not None:
        pairs = zip_longest(texts, titles, fillvalue=none)
    for position, (text, title) in enumerate(pairs):
        if text is none or title is none:
            raise ValueError(f"there are {'more' if text is none else 'fewer'} titles than texts")
        is_nan = isinstance(title, float) and title != title
        if is_nan or type(title).__name__ == "NAType":  # what data frames have for none
            title = None
        for name, value in (("text", text), ("title", "" if title is None else title)):
            if not isinstance(value, str):
                raise TypeError(f"{name} {position} must be a string, not {type(value).__name__}")
        yield plain(text), None if title is None else plain(title)


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


def checked_count(value: int, name: str = "batch_size") -> int:
    """Return a value as int; raises ValueError if it is no whole number of 1 or more."""
    with suppress(TypeError):  # numpy has whole numbers of its own
        if not isinstance(value, bool) and operator.index(value) >= 1:
            return operator.index(value)
    raise ValueError(f"{name} must be a whole number of 1 or more, not {value!r}")
