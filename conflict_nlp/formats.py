"""Files in: files, folders and standard input become one stream of articles.

>>> for article in Reader(["news/", "archive.csv.gz"], text_column="body"):
...     print(article.id, article.title, len(article.text))

What a file holds is told by `conflict_nlp.kinds`; any may be packed (``.gz``). Text is UTF-8, or
else what it is found to be. A bad file or row does not stop the others: see `Reader.problems`.
For rows out see `conflict_nlp.rows`.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import stat
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, cast

from conflict_nlp import kinds
from conflict_nlp.decoding import Decoder
from conflict_nlp.delimited import read_rows
from conflict_nlp.sentences import storable

TEXT_COLUMNS = (
    *("text", "body", "content", "article", "article_text", "article_body", "full_text"),
    *("fulltext", "maintext", "main_text", "story", "document"),
)
TITLE_COLUMNS = ("title", "headline")
ID_COLUMNS = ("id", "article_id", "doc_id", "document_id", "uuid", "url", "link")
GENERATOR = '<meta name="generator" content="conflict_nlp">'
"""By this a page of tags is known, and not read as an article."""

_SHOWN_PROBLEMS = 50
_CHARSET = re.compile(rb"<meta[^>]*?charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)
OWN = "it holds what conflict-nlp wrote, no articles"
"""What is said of files of tags, sheets and pages."""
_EXTRA = 'pip install "conflict-nlp[files]"'

Rows = Iterator[tuple[int, dict[str, Any]]]


class Article(NamedTuple):
    """An article as it was read.

    `id` is the value of the id column; without one the file's name, for a row of a table followed
    by ``:`` and the number of the row (JSON lines: of the line), the first being 1. `title` is
    None where the title, if any, is part of `text`.
    """

    id: str
    title: str | None
    text: str


class _WholeLines(io.FileIO):
    """A stream of which each read goes to a line end: a pipe gives what its writer has written."""

    def readinto(self, buffer: Any) -> int:
        view, filled = memoryview(buffer), 0
        while filled < len(view) and b"\n" not in view[:filled].tobytes():
            count = super().readinto(view[filled:])
            if not count:
                break
            filled += count
        return filled


class Reader:
    """Reads articles one at a time; memory does not grow with the number of articles.

    Parameters
    ----------
    names
        Files and folders, or one; ``"-"`` is standard input. Of a folder all files of known kinds
        are read, also in folders below, in the order of their names; hidden ones are not, nor
        links to folders.
    text_column, title_column, id_column
        Columns of tables and fields of JSON lines; None takes the first of `TEXT_COLUMNS`,
        `TITLE_COLUMNS` and `ID_COLUMNS` that is there, in lower or upper case. Tags and sheets
        that the program wrote are read only if the file and its column are named.
    leave_out
        File, or descriptor of one, that is not read though it lies in one of the folders.
    note
        Called with a line on what a user should know and is no problem, such as the encoding of
        a file that is not UTF-8.

    Attributes
    ----------
    problems
        One line for each file or row that could not be read; the first 50.
    problem_count
        Number of files and rows that could not be read.
    """

    def __init__(
        self,
        names: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        *,
        text_column: str | None = None,
        title_column: str | None = None,
        id_column: str | None = None,
        leave_out: str | os.PathLike[str] | int | None = None,
        note: Callable[[str], object] = warnings.warn,
    ) -> None:
        self.problems: list[str] = []
        self.problem_count = 0
        self._text = (text_column, TEXT_COLUMNS, "--text-column")
        self._title = (title_column, TITLE_COLUMNS, "--title-column")
        self._id = (id_column, ID_COLUMNS, "--id-column")
        self._left_out = leave_out
        self._note = note
        self._done = 0
        self._raw: io.BufferedReader | None = None
        if isinstance(names, (str, os.PathLike)):
            names = [names]
        given = [os.fspath(name) for name in names]
        self._named = set(given) if text_column is not None else set()
        self._files = [file for name in given for file in self._found(name)]

    def _found(self, name: str) -> Iterator[str]:
        # Where access is denied, `Path.is_dir` raises.
        if name == "-" or not os.path.isdir(name):  # noqa: PTH112
            yield name
            return
        others = 0
        walk = os.walk(name, onerror=lambda e: self._failed(f"{e.filename}: {e.strerror}"))
        for folder, inner, files in walk:
            inner[:] = sorted(each for each in inner if not each.startswith("."))
            for path in filter(Path.is_symlink, (Path(folder, each) for each in inner)):
                self._note(f"{path}: left out, as a link to a folder")
            for file in sorted(each for each in files if not each.startswith(".")):
                path = Path(folder, file)
                if not kinds.is_read(file):
                    others += 1
                elif self._left_out is None or not is_same(path, self._left_out):
                    yield str(path)
        if others:
            self._note(f"{name}: files left out, as not {' '.join(kinds.KINDS)}: {others}")

    @property
    def size(self) -> int | None:
        """Bytes in all files; None if standard input is one."""
        if "-" in self._files:
            return None
        files = filter(os.path.isfile, self._files)
        return sum(Path(file).stat().st_size for file in files)

    @property
    def position(self) -> int:
        """Bytes read so far, of `size`."""
        raw = self._raw
        return self._done + (raw.tell() if raw and not raw.closed and raw.seekable() else 0)

    def __iter__(self) -> Iterator[Article]:
        for name in self._files:
            size = 0
            try:
                with _opened(name) as self._raw:
                    size = os.fstat(self._raw.fileno()).st_size
                    yield from self._articles(name, self._raw)
            except (OSError, EOFError, ValueError, zlib.error, csv.Error, ImportError) as error:
                reason = error.strerror if isinstance(error, OSError) else None
                self._failed(f"{name}: {reason or error}")
            self._raw = None
            self._done += size

    def _articles(self, name: str, stream: io.BufferedReader) -> Iterator[Article]:
        if stream.peek(2)[:2] == b"\x1f\x8b":
            stream = io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=stream)))
        decoder = Decoder(name, self._note, self._failed)
        is_table = any(named is not None for named, *_ in (self._text, self._title, self._id))
        known = None if is_table else TEXT_COLUMNS
        kind = kinds.by_name(name) or kinds.by_start(stream.peek(1024), known)
        if kind == "text":
            yield Article(storable(name), None, decoder.text(stream.read()))
        elif kind == "html":
            data = stream.read()
            declared = _CHARSET.search(data[:2048])
            page = decoder.text(data, declared=declared[1].decode("ascii") if declared else None)
            yield Article(storable(name), *_main_text(page))
        else:
            if kind == "jsonl":
                rows = self._json_lines(name, decoder.lines(stream))
            elif kind == "csv":
                rows = self._table(name, decoder.lines(stream))
            else:
                rows = self._parquet(name, stream)
            for number, row in rows:
                try:
                    yield self._article(f"{name}:{number}", row)
                except ValueError as error:
                    self._failed(f"{name}:{number}: {error}")

    def _article(self, place: str, row: dict[str, Any]) -> Article:
        text_column, title_column, id_column = self._columns(list(row))
        text = row[text_column]
        title = row[title_column] if title_column is not None else None
        identity = row[id_column] if id_column is not None else None
        if not isinstance(text, str):
            raise ValueError(f"{text_column!r} is {_name(text)}, no text")
        if not isinstance(title, str | None):
            raise ValueError(f"{title_column!r} is {_name(title)}, no text")
        if isinstance(identity, bytes):
            identity = identity.decode("utf-8", "replace")
        identity = "" if identity is None else str(identity).strip()
        title = title if title and title.strip() else None
        return Article(storable(identity or place), title, text)

    def _columns(self, fields: list[str]) -> tuple[str, str | None, str | None]:
        text = _choose(fields, *self._text)
        if text is None:
            raise ValueError(f"name the column of the text with --text-column; {_listed(fields)}")
        return text, _choose(fields, *self._title), _choose(fields, *self._id)

    def _refuse_tags(self, name: str, fields: Sequence[str]) -> None:
        if name not in self._named and _holds_tags(fields):
            raise ValueError(f"{OWN}; to read it all the same, name the file and its --text-column")

    def _header(self, name: str, fields: list[str]) -> list[str]:
        """Return the columns of a table that are read."""
        self._refuse_tags(name, fields)
        chosen = [column for column in self._columns(fields) if column is not None]
        for column in chosen:
            if fields.count(column) > 1:
                raise ValueError(f"{fields.count(column)} columns have the name {column!r}")
        return chosen

    def _json_lines(self, name: str, lines: Iterator[str]) -> Rows:
        # A row may lack an optional field, as exports leave out what has no value; all may not.
        optional = {named: option for named, _, option in (self._title, self._id) if named}
        lacking, rows = dict(optional), 0
        for number, line in enumerate(lines, 1):
            if number == 1 and line.strip() in ("{", "["):
                raise ValueError("this is one JSON document; give JSON lines, one object a line")
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError(f"no object but {type(row).__name__}")
            except (ValueError, RecursionError) as error:
                self._failed(f"{name}:{number}: bad JSON: {getattr(error, 'msg', error)}")
                continue
            lacking = {column: lacking[column] for column in lacking if column not in row}
            row = {**dict.fromkeys(optional), **row}
            if not rows:
                self._refuse_tags(name, list(row))
            rows += 1
            yield number, row
        for column, option in lacking.items() if rows else ():
            self._failed(f"{name}: no row has the column {column!r} for {option}")

    def _table(self, name: str, lines: Iterator[str]) -> Rows:
        delimiters = "\t,;|" if kinds.suffix(name) == ".tsv" else ",;\t|"
        rows = read_rows(
            lines, lambda number, reason: self._failed(f"{name}:{number}: {reason}"), delimiters
        )
        _, header = next(rows)
        self._header(name, header)
        for number, row in rows:
            yield number, dict(zip(header, row))

    def _parquet(self, name: str, stream: io.BufferedReader) -> Rows:
        try:
            from pyarrow.parquet import ParquetFile
        except ImportError:
            raise ImportError(f"parquet needs pyarrow: {_EXTRA}") from None
        try:
            file = ParquetFile(stream if stream.seekable() else io.BytesIO(stream.read()))
            columns = self._header(name, file.schema_arrow.names)
            batches = file.iter_batches(batch_size=256, columns=columns)
            yield from enumerate(chain.from_iterable(batch.to_pylist() for batch in batches), 1)
        except (OSError, ValueError, MemoryError):
            raise
        except Exception as error:  # damaged files raise errors of many kinds
            raise ValueError(f"bad parquet: {error}") from None

    def _failed(self, problem: str) -> None:
        self.problem_count += 1
        if len(self.problems) < _SHOWN_PROBLEMS:
            self.problems.append(problem)


def _opened(name: str) -> io.BufferedReader:
    if name == "-" and not os.isatty(0):  # a terminal gives whole lines
        return io.BufferedReader(_WholeLines(0, closefd=False))
    return open(0, "rb", closefd=False) if name == "-" else Path(name).open("rb")


def is_same(name: str | os.PathLike[str], output: str | os.PathLike[str] | int) -> bool:
    """Tell whether a name is that of the file that `output`, a name or a descriptor, stands for.

    Never of what is no regular file, such as a terminal.
    """
    try:
        found = os.fstat(output) if isinstance(output, int) else Path(output).stat()
        return stat.S_ISREG(found.st_mode) and os.path.samestat(Path(name).stat(), found)
    except OSError:
        return False


def _holds_tags(fields: Sequence[str]) -> bool:
    """Tell the rows of `conflict_nlp.rows` and the sheets of `conflict_nlp.review`."""
    ends = {"scores" if field == "scores" else field[-6:] for field in fields}
    return ({"article", "index", "text"} <= {*fields} and bool({"scores", "_score"} & ends)) or (
        {"article", "title", "sentences"} <= {*fields} and "_share" in ends
    )


def _choose(
    fields: list[str], wanted: str | None, guesses: Sequence[str], option: str
) -> str | None:
    if wanted is None:
        by_name = {field.strip().lower(): field for field in reversed(fields)}
        return next((by_name[guess] for guess in guesses if guess in by_name), None)
    if wanted not in fields:
        raise ValueError(f"no column {wanted!r} for {option}; {_listed(fields)}")
    return wanted


def _listed(fields: list[str]) -> str:
    return f"it has {', '.join(map(repr, fields))}" if fields else "it has no columns"


def _name(value: object) -> str:
    return "empty" if value is None else f"of type {type(value).__name__}"


def _main_text(page: str) -> tuple[str | None, str]:
    if GENERATOR in page[:2048]:
        raise ValueError(OWN)
    try:
        import trafilatura
    except ImportError as error:  # or of what it needs in its turn
        reason = str(error).partition("\n")[0]
        raise ImportError(f"HTML needs trafilatura: {_EXTRA} ({reason})") from None
    found = trafilatura.bare_extraction(page, with_metadata=True, include_comments=False)
    if found is None or not found.text:
        raise ValueError("no article text found in the page")
    title = found.title or None
    return title, found.text.removeprefix(f"{title}\n")
