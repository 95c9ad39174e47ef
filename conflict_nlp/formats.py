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
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, cast

from conflict_nlp import kinds, webpages
from conflict_nlp.columns import OWN, TEXT_COLUMNS, Article, Columns, holds_tags
from conflict_nlp.decoding import Decoder
from conflict_nlp.delimited import read_rows
from conflict_nlp.notices import Notices
from conflict_nlp.sentences import storable

__all__ = ["Article", "Reader", "is_same"]

_DOCUMENT = re.compile(r"\s*(?:\[|\{\s*$)")
_SHOWN_PROBLEMS, _SHOWN_NAMES = 50, 5

Rows = Iterator[tuple[int, dict[str, Any]]]


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

    Texts, web pages and JSON documents, in contrast to JSON lines, are each held in memory whole.

    Parameters
    ----------
    names
        Files and folders, or one; ``"-"`` is standard input. Of a folder all files of known kinds
        are read, also in folders below, in the order of their names; hidden ones are not, nor
        links to folders.
    text_column, title_column, id_column
        Columns of tables and fields of JSON; None takes the first usual name that is there, see
        `conflict_nlp.columns`. Tags and sheets that the program wrote are read only if the file
        and its column are named.
    keep
        Other columns that go with each article, as `Article.kept`.
    leave_out
        File, or descriptor of one, that is not read though it lies in one of the folders.
    note
        Called with a line on what a user should know and is no problem, such as the encoding of
        a file that is not UTF-8, or, when all is read, how many articles have no text.
    expects_english
        Whether a note tells of articles in what does not look like English.

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
        keep: Sequence[str] = (),
        leave_out: str | os.PathLike[str] | int | None = None,
        note: Callable[[str], object] = warnings.warn,
        expects_english: bool = False,
    ) -> None:
        self.problems: list[str] = []
        self.problem_count = 0
        self._columns = Columns(text_column, title_column, id_column, keep)
        self._expects_english = expects_english
        self._left_out = leave_out
        self._note = note
        self._done = 0
        self._raw: io.BufferedReader | None = None
        if isinstance(names, (str, os.PathLike)):
            names = [names]
        given = [os.fspath(name) for name in names]
        self._told: Counter[str] = Counter()
        self._given = set(given)
        self._named = self._given if text_column is not None else set()
        self._files = [file for name in given for file in self._found(name)]

    def _found(self, name: str) -> Iterator[str]:
        # Where access is denied, `Path.is_dir` raises.
        if name == "-" or not os.path.isdir(name):  # noqa: PTH112
            yield name
            return
        others: list[str] = []
        walk = os.walk(name, onerror=lambda e: self._failed(f"{e.filename}: {e.strerror}"))
        for folder, inner, files in walk:
            # What browsers save beside a page: frames and scripts.
            parts = {f"{Path(file).stem}_files" for file in files if kinds.by_name(file) == "html"}
            for part in sorted(parts.intersection(inner)):
                self._tell(Path(folder, part), ": left out, as parts of a web page")
            inner[:] = sorted({each for each in inner if not each.startswith(".")} - parts)
            for path in filter(Path.is_symlink, (Path(folder, each) for each in inner)):
                self._tell(path, ": left out, as a link to a folder")
            for file in sorted(each for each in files if not each.startswith(".")):
                path = Path(folder, file)
                if not kinds.is_read(file) and not file.endswith(kinds.META):
                    others.append(str(path.relative_to(name)))
                elif kinds.is_read(file) and not is_same(path, self._left_out):
                    yield str(path)
        if others:
            more = f", and {len(others) - _SHOWN_NAMES} more" if len(others) > _SHOWN_NAMES else ""
            self._note(
                f"{name}: left out, as not {' '.join(kinds.KINDS)}: "
                f"{', '.join(others[:_SHOWN_NAMES])}{more}"
            )

    @property
    def kept(self) -> tuple[str, ...]:
        """The columns to keep."""
        return self._columns.kept

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
        notices = Notices(of_english=self._expects_english)
        for article in self._read():
            notices.add(article)
            yield article
        for what, count in self._told.items():
            if count > _SHOWN_NAMES:
                self._note(f"the same of {count - _SHOWN_NAMES} more: {what.lstrip(': ')}")
        self._told.clear()
        for line in notices.lines():
            self._note(line)

    def _read(self) -> Iterator[Article]:
        for name in self._files:
            size = 0
            try:
                with _opened(name) as self._raw:
                    size = os.fstat(self._raw.fileno()).st_size
                    yield from self._articles(name, self._raw)
            except (OSError, EOFError, ValueError, zlib.error, csv.Error, ImportError) as error:
                reason = error.strerror if isinstance(error, OSError) else None
                # That a folder has earlier output beside its articles is no problem.
                is_earlier_output = str(error).startswith(OWN) and name not in self._given
                if is_earlier_output:
                    self._tell(name, f": {error}")
                else:
                    self._failed(f"{name}: {reason or error}")
            self._raw = None
            self._done += size

    def _articles(self, name: str, stream: io.BufferedReader) -> Iterator[Article]:
        if stream.peek(2)[:2] == b"\x1f\x8b":
            stream = io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=stream)))
        decoder = Decoder(name, partial(self._tell, name), self._failed)
        nothing = dict.fromkeys(self.kept)
        kind = kinds.by_name(name)
        if kind is None:
            kind = kinds.by_start(
                stream.peek(1024), None if self._columns.is_named else TEXT_COLUMNS
            )
        elif kind == "text":  # spreadsheets save tables under such names, too
            kind = kinds.by_start(stream.peek(1024), self._columns.texts, is_text=True)
        if kind == "text":
            yield Article(storable(name), None, decoder.text(stream.read()), nothing)
        elif kind == "html":
            data = stream.read()
            page = decoder.text(data, declared=webpages.charset(data))
            yield Article(storable(name), *webpages.main_text(page), nothing)
        else:
            if kind == "json":
                rows = self._json(name, decoder.lines(stream))
            elif kind == "csv":
                rows = self._table(name, decoder.lines(stream))
            else:
                rows = self._parquet(name, stream)
            for number, row in rows:
                try:
                    yield self._columns.article(f"{name}:{number}", row)
                except ValueError as error:
                    self._failed(f"{name}:{number}: {error}")

    def _refuse_tags(self, name: str, fields: Sequence[str]) -> None:
        if name not in self._named and holds_tags(fields):
            raise ValueError(f"{OWN}; to read it all the same, name the file and its --text-column")

    def _json(self, name: str, lines: Iterator[str]) -> Rows:
        # A row may lack an optional field, as exports leave out what has no value; all may not.
        named = self._columns.optional
        lacking, rows = named | dict.fromkeys(self.kept, "--keep"), 0
        for number, row in self._json_values(name, lines):
            if not isinstance(row, dict):
                self._failed(f"{name}:{number}: bad JSON: no object but {type(row).__name__}")
                continue
            lacking = {column: lacking[column] for column in lacking if column not in row}
            if not rows:
                self._refuse_tags(name, list(row))
            rows += 1
            yield number, {**dict.fromkeys(named), **row}
        for column, option in lacking.items() if rows else ():
            self._failed(f"{name}: no row has the column {column!r} for {option}")

    def _json_values(self, name: str, lines: Iterator[str]) -> Iterator[tuple[int, Any]]:
        """Yield what stands in each line, or in one document: the items of an array, or itself."""
        numbered = enumerate(lines, 1)
        start, first = next((each for each in numbered if each[1].strip()), (1, ""))
        value = None
        try:
            value = json.loads(first)
        except (ValueError, RecursionError):
            is_document = _DOCUMENT.match(first)
            if is_document or kinds.suffix(name) == ".json":  # of several lines
                rest = "".join(lines)
                try:
                    value = json.loads(first + rest)
                    value = value if isinstance(value, list) else [value]
                except (ValueError, RecursionError) as error:
                    if is_document:
                        raise ValueError(f"bad JSON: {error}") from None
                    lines = io.StringIO(rest, newline="")
        if isinstance(value, list):
            yield from enumerate(value, 1)
            if any(line.strip() for line in lines):
                raise ValueError("bad JSON: more follows the array")
            return
        for number, line in enumerate(chain([first], lines), start):
            if not line.strip():
                continue
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as error:
                self._failed(f"{name}:{number}: bad JSON: {getattr(error, 'msg', error)}")

    def _table(self, name: str, lines: Iterator[str]) -> Rows:
        delimiters = "\t,;|" if kinds.suffix(name) == ".tsv" else ",;\t|"
        rows = read_rows(
            lines, lambda number, reason: self._failed(f"{name}:{number}: {reason}"), delimiters
        )
        _, header = next(rows)
        self._refuse_tags(name, header)
        self._columns.header(header)
        for number, row in rows:
            yield number, dict(zip(header, row))

    def _parquet(self, name: str, stream: io.BufferedReader) -> Rows:
        try:
            from pyarrow.parquet import ParquetFile
        except ImportError:
            raise ImportError(f"parquet needs pyarrow: {webpages.EXTRA}") from None
        try:
            file = ParquetFile(stream if stream.seekable() else io.BytesIO(stream.read()))
            self._refuse_tags(name, file.schema_arrow.names)
            columns = self._columns.header(file.schema_arrow.names)
            batches = file.iter_batches(batch_size=256, columns=columns)
            yield from enumerate(chain.from_iterable(batch.to_pylist() for batch in batches), 1)
        except (OSError, ValueError, MemoryError):
            raise
        except Exception as error:  # damaged files raise errors of many kinds
            raise ValueError(f"bad parquet: {error}") from None

    def _tell(self, name: str | Path, what: str) -> None:
        """Note what holds of many files for the first of them alone."""
        self._told[what] += 1
        if self._told[what] <= _SHOWN_NAMES:
            self._note(f"{name}{what}")

    def _failed(self, problem: str) -> None:
        self.problem_count += 1
        if len(self.problems) < _SHOWN_PROBLEMS:
            self.problems.append(problem)


def _opened(name: str) -> io.BufferedReader:
    if name == "-" and not os.isatty(0):  # a terminal gives whole lines
        return io.BufferedReader(_WholeLines(0, closefd=False))
    return open(0, "rb", closefd=False) if name == "-" else Path(name).open("rb")


def is_same(name: str | os.PathLike[str], output: str | os.PathLike[str] | int | None) -> bool:
    """Tell whether a name is that of the file that `output`, a name or a descriptor, stands for.

    Never of what is no regular file, such as a terminal, nor if there is no output.
    """
    if output is None:
        return False
    try:
        found = os.fstat(output) if isinstance(output, int) else Path(output).stat()
        return stat.S_ISREG(found.st_mode) and os.path.samestat(Path(name).stat(), found)
    except OSError:
        return False
