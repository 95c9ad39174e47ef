"""What is handed in to be tagged: checks that name what is wrong, and windows over streams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence


def strings(sentences: Iterable[str]) -> Iterator[str]:
    """Yield each sentence as a plain str; raises TypeError that names the position of what is none.

    What is no iterable of strings at all raises at the call.
    """
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


def take(articles: Iterator[Sequence[str]], size: int) -> list[Sequence[str]]:
    """Return the next articles, as many as it takes for `size` sentences."""
    taken, count = [], 0
    for article in articles:
        taken.append(article)
        count += max(len(article), 1)
        if count >= size:
            break
    return taken


def checked_size(batch_size: int) -> int:
    """Return a batch size; raises ValueError if it is no whole number of 1 or more."""
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size must be a whole number of 1 or more, not {batch_size!r}")
    return batch_size
