"""Go on with output that was interrupted: what of it is whole, and what is still to be tagged.

The beginning of an article proves that the one before it was written to its end. The last article
in the file is therefore cut off and tagged again, whole or not; so no trace of where the
interruption fell is needed, and none is kept. An article is known again by its id and its
beginning, as the rows of several tables may be numbered alike.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from conflict_nlp.columns import Article
from conflict_nlp.rows import columns, write_csv
from conflict_nlp.sentences import is_blank, split_sentences, storable

_ROW = b'{"article": '  # so begins each JSON line

Key = tuple[str, str]
"""An article's id and what its first row shows: title or first sentence, in a summary the title."""


def written(
    path: Path,
    format: str,
    labels: Sequence[str],
    *,
    summary: bool = False,
    kept: Sequence[str] = (),
) -> tuple[Counter[Key], int]:
    """Tell what an interrupted run has written, whatever byte it ended at.

    Parameters
    ----------
    path
        File of `write_jsonl` or `write_csv`; may be missing.
    format
        ``"jsonl"`` or ``"csv"``.
    labels, summary, kept
        As given to `columns`.

    Returns
    -------
    done
        Number of whole articles of each key; `remaining` takes it.
    offset
        Bytes that those take, with the CSV header; what lies behind is to be cut off.

    Raises
    ------
    ValueError
        If the file is not the beginning of such output.
    """
    names = columns(labels, summary=summary, kept=kept)
    done: Counter[Key] = Counter()
    if not path.exists():
        return done, 0
    with path.open("rb") as stream:
        if format == "csv":
            made = io.StringIO()
            write_csv((), made, names)
            header = made.getvalue().encode("utf-8", "replace")
            found = stream.read(len(header))
            if found != header and header.startswith(found):
                return done, 0
            if found != header:
                raise ValueError("its first line does not hold the columns of this output")
            rows = _csv_rows(stream, names, summary)
        else:
            own = columns(labels, summary=summary)
            rows = _json_rows(stream, names if summary else own, summary)
        offset = stream.tell()
        before = last = None
        for position, article, index, shown in rows:
            if index == -1 or (index == 0 and before != (article, -1)):
                if last is not None:
                    done[last] += 1
                offset, last = position, (article, storable(shown))
            before = article, index
    return done, offset


def remaining(
    articles: Iterable[Article], done: Counter[Key], *, summary: bool
) -> Iterator[Article]:
    """Leave out as many articles of each key as are done; counts `done` down.

    Raises
    ------
    ValueError
        At the call, if the first article is a file that is done under another name, for then all
        would be tagged again.
    """
    articles = iter(articles)
    first = list(islice(articles, 1))
    names = {name for name, _ in done} if first else set()
    places = {os.path.abspath(name): name for name in names}  # noqa: PTH100
    for article in first:
        other = places.get(os.path.abspath(article.id))  # noqa: PTH100
        if other is None or article.id in names:
            continue
        # Of what is no file, such as a URL, this tells nothing.
        if os.path.exists(re.sub(r":\d+$", "", article.id)):  # noqa: PTH110
            raise ValueError(f"it has {article.id} as {other}: name the files as before")
    return _remaining(chain(first, articles), done, summary)


def _remaining(articles: Iterable[Article], done: Counter[Key], summary: bool) -> Iterator[Article]:
    alone = None  # id of what was a title alone; rows of a text behind it look like its own
    for article in articles:
        belongs = article.id == alone and article.title is None
        alone = None
        if belongs:
            continue
        shown = article.title
        if shown is None and not summary and done:
            shown = next((sentence.text for sentence in split_sentences(article.text)), None)
        key = article.id, storable(shown or "")
        if done[key] == 0:
            yield article
        else:
            done[key] -= 1
            if article.title is not None and is_blank(article.text) and not summary:
                alone = article.id


def _json_rows(
    stream: BinaryIO, names: Sequence[str], summary: bool
) -> Iterator[tuple[int, str, int, str]]:
    """Yield where each whole row begins, its article, its index (0 in a summary) and its text."""
    position = 0
    scores = {name for name in names if f"{name}_score" in names}
    for number, line in enumerate(stream, 1):
        if not line.endswith(b"\n"):
            if line[: len(_ROW)] != _ROW[: len(line)]:
                raise ValueError(f"line {number} is no row of this output")
            return
        try:
            row = json.loads(line)
            if list(row) != names if summary else set(row["scores"]) != scores:
                raise ValueError
            index, shown = (0, row["title"]) if summary else (row["index"], row["text"])
            yield position, row["article"], index, shown or ""
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"line {number} is no row of this output") from None
        position += len(line)


def _csv_rows(
    stream: BinaryIO, names: Sequence[str], summary: bool
) -> Iterator[tuple[int, str, int, str]]:
    """The same; the last row may lack columns behind the index."""
    shown = names.index("title" if summary else "text")
    position = end = stream.tell()

    def lines() -> Iterator[str]:
        nonlocal end
        for line in stream:
            end += len(line)
            yield line.decode("utf-8", "replace")

    csv.field_size_limit(2**31 - 1)
    whole = True
    for number, row in enumerate(csv.reader(lines()), 2):
        if not whole:
            raise ValueError(f"row {number - 1} is no row of this output")
        whole = len(row) == len(names)
        try:
            yield position, row[0], 0 if summary else int(row[1]), "".join(row[shown : shown + 1])
        except (IndexError, ValueError):
            whole = False
        position = end
