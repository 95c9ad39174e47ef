"""What the page of `conflict_nlp.app` reads, shows and saves, without the page itself."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from conflict_nlp import rows
from conflict_nlp.columns import Article
from conflict_nlp.explain import WordWeight
from conflict_nlp.formats import Reader
from conflict_nlp.report import colours, escaped, html_page, tag
from conflict_nlp.results import Prediction, TaggedArticle
from conflict_nlp.review import guarded

MOST_CHARACTERS, MOST_ARTICLES = 500_000, 1_000
"""Characters (some 4,000 sentences) and articles that the page takes at a time."""
FORMATS = ("csv", "jsonl", "html")
"""Formats of the results to download."""
_LEAST_WEIGHT, _MOST_WORDS = 0.05, 5


def too_long(size: int) -> str:
    """Return what to say of a text of so many characters, more than `MOST_CHARACTERS`."""
    return (
        f"this page takes {MOST_CHARACTERS:,} characters at a time, not {size:,}: "
        "conflict-nlp tag FILE takes any number"
    )


def read(path: Path, text_column: str | None = None) -> tuple[list[Article], list[str]]:
    """Read an uploaded file, as far as the page takes it.

    Returns
    -------
    articles
        At most `MOST_ARTICLES`, of `MOST_CHARACTERS` in all, named without the file's folder.
    notes
        How many there are, and what could not be read or was left out; a line each.
    """
    with path.open("rb") as stream:
        if stream.read(2) == b"\x1f\x8b":  # a few bytes could unpack to any size
            return [], [f"{path.name} is compressed: unpack it first"]
    notes: list[str] = []
    articles: list[Article] = []
    reader = Reader([path], text_column=text_column, note=notes.append)
    folder, size = f"{path.parent}{os.sep}", 0
    for article in reader:
        size += len(article.text) + len(article.title or "")
        if size > MOST_CHARACTERS or len(articles) == MOST_ARTICLES:
            is_full = size <= MOST_CHARACTERS
            reason = f"this page takes {MOST_ARTICLES:,} articles" if is_full else too_long(size)
            notes.append(f"what follows article {len(articles)} is left out: {reason}")
            break
        articles.append(article._replace(id=article.id.removeprefix(folder)))
    more = reader.problem_count - len(reader.problems)
    notes = [
        f"{path.name}: {len(articles)} article{'s' * (len(articles) != 1)}",
        *(f"cannot read {problem}" for problem in reader.problems),
        *([f"cannot read {more} more rows"] if more else []),
        *notes,
    ]
    option = ("name the column of the text with --text-column", "fill in “Column of the text”")
    return articles, [
        note.replace(folder, "").replace(*option).replace("--text-column", "“Column of the text”")
        for note in notes
    ]


def download(
    format: str, articles: Sequence[tuple[str, TaggedArticle]], labels: Sequence[str]
) -> str:
    """Return the text of a file of one of the `FORMATS`, as ``conflict-nlp tag`` writes it.

    CSV is made for spreadsheets: a byte order mark tells them that it is UTF-8, and text that they
    could take for a formula gets a leading ``'``, as in `conflict_nlp.review.write_sheet`.
    """
    if format == "html":
        return html_page(articles)
    tagged = [
        rows.Tagged(Article(name, each.title, each.text), each.headline, iter(each.sentences))
        for name, each in articles
    ]
    stream = io.StringIO()
    if format == "jsonl":
        rows.write_jsonl(rows.nested_rows(tagged), stream)
    else:
        stream.write("\ufeff")
        rows.write_csv(map(guarded, rows.flat_rows(tagged)), stream, rows.columns(labels))
    return stream.getvalue()


def explanation(prediction: Prediction, weights: Mapping[str, Sequence[WordWeight]]) -> str:
    """Return an HTML element that shows for each label the words that carried it.

    Parameters
    ----------
    prediction
        The sentence.
    weights
        What `Tagger.explain` says of it.

    Returns
    -------
    str
        It takes its look from `report.html_fragment`, beside which it is to stand.
    """
    most = max([1.0, *(word.weight for words in weights.values() for word in words)])
    parts = []
    for number, (label, words) in enumerate(weights.items()):
        told = sorted(words, key=lambda word: -abs(word.weight))[:_MOST_WORDS]
        shown = [
            f"<span><mark style='background:color-mix(in srgb,var(--c{number}) "
            f"{max(0, word.weight) / most:.0%},transparent)'>{escaped(word.text)}</mark> "
            f"{word.weight:+.1f}</span>"
            for word in sorted(told, key=lambda word: -word.weight)
            if abs(word.weight) >= _LEAST_WEIGHT
        ]
        parts.append(
            f"<dt>{tag(escaped(label), number)} "
            f"{prediction.scores[label]:.2f}</dt><dd>{' '.join(shown) or 'no single word'}</dd>"
        )
    return (
        f'<details open class="conflict-nlp words" style="{colours(weights)}">'
        f"<summary>{escaped(prediction.text)}</summary><dl>{''.join(parts)}</dl>"
        '<p class="name">What the log-odds of the score lose without the word, the sentence '
        "on its own; a word below 0 spoke against the label.</p></details>"
    )
