"""Go on with output that was interrupted: what of it is whole, and what is still to be tagged.

The beginning of an article proves that the one before it was written to its end. The last article
in the file is therefore cut off and tagged again, whole or not; so no trace of where the
interruption fell is needed, and none is kept.
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
from conflict_nlp.sentences import split_sentences

_ROW = b'{"article": '  # so begins each JSON line


def written(
    path: Path,
    format: str,
    labels: Sequence[str],
    *,
    summary: bool = False,
    kept: Sequence[str] = (),
) -> tuple[Counter[str], int]:
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
        Number of whole articles of each id; `remaining` takes it.
    offset
        Bytes that those take, with the CSV header; what lies behind is to be cut off.

    Raises
    ------
    ValueError
        If the file is not the beginning of such output.
    """
    names = columns(labels, summary=summary, kept=kept)
    done: Counter[str] = Counter()
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
        for position, article, index in rows:
            if index == -1 or (index == 0 and before != (article, -1)):
                if last is not None:
                    done[last] += 1
                offset, last = position, article
            before = article, index
    return done, offset


def remaining(
    articles: Iterable[Article], done: Counter[str], *, summary: bool
) -> Iterator[Article]:
    """Leave out as many articles of each id as are done; counts `done` down.

    Raises
    ------
    ValueError
        At the call, if the first article is a file that is done under another name, for then all
        would be tagged again.
    """
    articles = iter(articles)
    first = list(islice(articles, 1))
    places = {os.path.abspath(name): name for name in done} if first else {}  # noqa: PTH100
    for article in first:
        other = places.get(os.path.abspath(article.id))  # noqa: PTH100
        if other is None or article.id in done:
            continue
        # Of what is no file, such as a URL, this tells nothing.
        if os.path.exists(re.sub(r":\d+$", "", article.id)):  # noqa: PTH110
            raise ValueError(f"it has {article.id} as {other}: name the files as before")
    return _remaining(chain(first, articles), done, summary)


def _remaining(articles: Iterable[Article], done: Counter[str], summary: bool) -> Iterator[Article]:
    for article in articles:
        if done[article.id] == 0:
            yield article
        # Without a sentence an article has no row, by which it would have been counted as done.
        elif summary or article.title is not None or split_sentences(article.text):
            done[article.id] -= 1


def _json_rows(
    stream: BinaryIO, names: Sequence[str], summary: bool
) -> Iterator[tuple[int, str, int]]:
    """Yield where each whole row begins, its article and its index (0 in a summary)."""
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
            yield position, row["article"], 0 if summary else row["index"]
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"line {number} is no row of this output") from None
        position += len(line)


def _csv_rows(
    stream: BinaryIO, names: Sequence[str], summary: bool
) -> Iterator[tuple[int, str, int]]:
    """The same; the last row may lack columns behind the index."""
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
            yield position, row[0], 0 if summary else int(row[1])
        except (IndexError, ValueError):
            whole = False
        position = end
