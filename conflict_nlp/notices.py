"""What a user should know of the articles that were read, and is no problem."""

from __future__ import annotations

import re

from conflict_nlp.columns import Article

# The most frequent words of English news; other languages have a few of them.
_ENGLISH = {
    *("the", "of", "and", "to", "in", "a", "that", "is", "was", "for", "on", "it", "with", "as"),
    *("at", "by", "from", "has", "have", "had", "be", "been", "said", "were", "are", "he", "his"),
    *("they", "their", "an", "not", "but", "which", "who"),
}
_WORD = re.compile(r"[^\W\d_]+")
_TAG = re.compile(r"</(?:p|div|a|span|li|strong|em|h[1-6])>|<br ?/?>", re.IGNORECASE)
_READ, _FEWEST_WORDS, _SMALLEST_SHARE = 4000, 40, 0.15
_REMEMBERED = 100_000  # names, so that memory does not grow with the number of articles
_SHOWN = 3


def looks_english(text: str) -> bool:
    """Tell whether a text reads like English, by its most frequent words; so does a short one."""
    words = _WORD.findall(text[:_READ].lower())
    found = sum(word in _ENGLISH for word in words)
    return len(words) < _FEWEST_WORDS or found >= _SMALLEST_SHARE * len(words)


class Notices:
    """Counts what is odd about articles.

    Parameters
    ----------
    of_english
        Whether articles that do not look English are odd.
    """

    def __init__(self, *, of_english: bool) -> None:
        self._of_english = of_english
        self._names: set[str] = set()
        self._counts: dict[str, int] = {}
        self._shown: dict[str, list[str]] = {}

    def add(self, article: Article) -> None:
        """Look at an article."""
        if not article.text.strip():
            self._count("without text", article)
        elif _TAG.search(article.text[:_READ]):
            self._count("with HTML tags, which the model reads as words", article)
        elif self._of_english and not looks_english(article.text):
            self._count("not in English, it seems, the language of the model", article)
        if article.id in self._names:
            self._count("with the name of an earlier one", article)
        elif len(self._names) < _REMEMBERED:
            self._names.add(article.id)

    def _count(self, what: str, article: Article) -> None:
        self._counts[what] = self._counts.get(what, 0) + 1
        shown = self._shown.setdefault(what, [])
        if len(shown) < _SHOWN and article.id not in shown:
            shown.append(article.id)

    def lines(self) -> list[str]:
        """Return a line on each thing that was found, with the first articles by name."""
        return [
            f"articles {what}: {count} ({', '.join(self._shown[what])}"
            f"{', ...' if count > len(self._shown[what]) else ''})"
            for what, count in self._counts.items()
        ]
