"""Rows of CSV, of which a stray quote costs no more than it must."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import count

SEPARATOR = re.compile(r"\"?sep=([,;\t|])\"?\s*", re.IGNORECASE)
"""A first line by which spreadsheets tell the delimiter."""
_LONGEST_ROW = 10**7  # characters


def read_rows(
    lines: Iterator[str], failed: Callable[[int, str], object], delimiters: str = ",;\t|"
) -> Iterator[tuple[int, list[str]]]:
    """Yield the header as row 0, and each row that is not empty with its number, the first being 1.

    Parameters
    ----------
    lines
        With their line ends; blank ones before the header count for nothing.
    failed
        Called with the number of a row that cannot be read, or has not as many values as the
        header (empty ones at its end do not count), and the reason.
    delimiters
        Characters of which the one that the header has most of, the first if it has none, parts
        the values. A line ``sep=;`` before the header tells it.

    Raises
    ------
    csv.Error
        If the header cannot be read.
    """
    csv.field_size_limit(2**31 - 1)
    first = next((line for line in lines if line.strip()), "")
    delimiter = max(delimiters, key=first.count)
    if told := SEPARATOR.fullmatch(first):  # as spreadsheets write and read it
        delimiter, first = told[1], next((line for line in lines if line.strip()), "")
    ahead, taken = deque([first]), list[str]()

    def lines_of_a_row() -> Iterator[str]:
        size = 0
        while line := ahead.popleft() if ahead else next(lines, ""):
            size = len(line) + (size if taken else 0)
            if taken and size > _LONGEST_ROW:
                ahead.appendleft(line)
                return
            taken.append(line)
            yield line

    def reader(source: Iterable[str]) -> Iterator[list[str]]:
        # Strict: a quote that is never closed is an error, and not the rest of the file.
        return csv.reader(source, delimiter=delimiter, strict=True)

    def is_row(line: str) -> bool:
        with suppress(csv.Error):
            return [len(row) for row in reader([line])] in ([len(header)], [0])  # 0: blank
        return False

    def is_plain(line: str) -> bool:
        # All of a row if its quotes are text; text holds no tabs.
        return delimiter == "\t" and line.count("\t") == len(header) - 1 > 0

    rows = reader(lines_of_a_row())
    header = next(rows, [])
    yield 0, header
    for number in count(1):
        taken.clear()
        try:
            row = next(rows, None)
            if len(taken) > 1 and all(map(is_plain, taken)):
                raise csv.Error("lines of which each is a row")
        except csv.Error as error:
            if taken and is_plain(taken[0]):  # its quotes are text
                ahead.extendleft(reversed(taken[1:]))
                rows = reader(lines_of_a_row())
                yield number, taken[0].rstrip("\r\n").split(delimiter)
                continue
            # A stray quote may have opened before rows of their own.
            is_open = "unexpected end" in str(error)
            behind = taken[1:]
            if is_open:
                behind = [line for line in behind if is_row(line)]
            elif not all(map(is_row, behind[:-1])):
                behind = []
            left = len(taken) - 1 - len(behind)
            reason = "a quote that opens here is never closed" if is_open else str(error)
            failed(
                number, reason + (f"; lines behind it that are left out: {left}" if left else "")
            )
            ahead.extendleft(reversed(behind))
            rows = reader(lines_of_a_row())
            continue
        if row is None:
            return
        while len(row) > len(header) and not row[-1].strip():
            row.pop()
        if row and len(row) != len(header):
            # Spreadsheets leave out empty last cells; line ends without quotes look the same.
            mend = ": give the last column a value in every row" if len(row) < len(header) else ""
            failed(number, f"{len(row)} values for {len(header)} columns{mend}")
        elif row:
            yield number, row
