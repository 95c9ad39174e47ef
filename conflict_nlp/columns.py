"""Which columns of a table, or fields of JSON, hold what of an article."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from conflict_nlp.sentences import is_blank, storable

TEXT_COLUMNS = (
    *("text", "body", "content", "article_text", "article_body", "full_text", "fulltext"),
    *("maintext", "main_text", "story", "document", "article"),  # the last may be a number
)
TITLE_COLUMNS = ("title", "headline")
ID_COLUMNS = ("id", "article_id", "doc_id", "document_id", "uuid", "url", "link")

OWN = "it holds what conflict-nlp wrote, no articles"
"""What is said of files of tags, sheets and pages."""


class Article(NamedTuple):
    """An article as it was read.

    `id` is the value of the id column; without one the file's name, for a row of a table followed
    by ``:`` and the number of the row (JSON lines: of the line), the first being 1. `title` is
    None where the title, if any, is part of `text`. `kept` has the other columns that are to be
    kept: strings, numbers, booleans and None.
    """

    id: str
    title: str | None
    text: str
    kept: Mapping[str, Any] = {}


class Columns:
    """The columns of the text, the title and the id, and others to be kept.

    Parameters
    ----------
    text, title, id
        Names; None takes the first of `TEXT_COLUMNS`, `TITLE_COLUMNS` and `ID_COLUMNS` that is
        there, in lower or upper case, with blanks or underscores.
    kept
        Names of others.
    """

    def __init__(
        self, text: str | None, title: str | None, id: str | None, kept: Sequence[str]
    ) -> None:
        self.kept = tuple(dict.fromkeys(kept))
        self.is_named = any(name is not None for name in (text, title, id, *kept))
        """Whether any was named, so that what is read is a table."""
        self._text = (text, TEXT_COLUMNS, "--text-column")
        self._title = (title, TITLE_COLUMNS, "--title-column")
        self._id = (id, ID_COLUMNS, "--id-column")

    @property
    def texts(self) -> set[str]:
        """Names that a column of text may have."""
        return {*TEXT_COLUMNS, (self._text[0] or "").lower()}

    @property
    def optional(self) -> dict[str, str]:
        """Named columns of title and id, which a row of JSON may lack, and the option of each."""
        return {name: option for name, _, option in (self._title, self._id) if name}

    def header(self, fields: list[str]) -> list[str]:
        """Return the columns of a table that are read.

        Raises
        ------
        ValueError
            If one is missing, or more than one has its name.
        """
        named = [name for name in self._chosen(fields) if name is not None]
        chosen = list(dict.fromkeys([*named, *self.kept]))
        for column in chosen:
            if column not in fields:
                raise ValueError(f"no column {column!r} for --keep; {_listed(fields)}")
            if fields.count(column) > 1:
                raise ValueError(f"{fields.count(column)} columns have the name {column!r}")
        return chosen

    def article(self, place: str, row: Mapping[str, Any]) -> Article:
        """Return the article of a row, which `place` names if it has no id.

        Raises
        ------
        ValueError
            If no column holds the text, or text or title is no string.
        """
        text_column, title_column, id_column = self._chosen(list(row))
        text = row[text_column]
        title = row[title_column] if title_column is not None else None
        if isinstance(title, int | float):  # "1984", or what a data frame has for none
            title = None if title != title else str(title)
        identity = row[id_column] if id_column is not None else None
        if not isinstance(text, str):
            raise ValueError(f"{text_column!r} is {_name(text)}, no text")
        if not isinstance(title, str | None):
            raise ValueError(f"{title_column!r} is {_name(title)}, no text")
        if isinstance(identity, bytes):
            identity = identity.decode("utf-8", "replace")
        identity = "" if identity is None else str(identity).strip()
        title = None if title is None or is_blank(title) else title
        kept = {name: _plain(row.get(name)) for name in self.kept}
        return Article(storable(identity or place), title, text, kept)

    def _chosen(self, fields: list[str]) -> tuple[str, str | None, str | None]:
        text = _choose(fields, *self._text)
        if text is None:
            raise ValueError(f"name the column of the text with --text-column; {_listed(fields)}")
        return text, _choose(fields, *self._title), _choose(fields, *self._id)


def holds_tags(fields: Sequence[str]) -> bool:
    """Tell the rows of `conflict_nlp.rows` and the sheets of `conflict_nlp.review`."""
    ends = {"scores" if field == "scores" else field[-6:] for field in fields}
    return (
        ({"article", "index", "text"} <= {*fields} and bool({"scores", "_score"} & ends))
        or ({"article", "title", "sentences"} <= {*fields} and "_share" in ends)
        or {*fields} == {"data", "predictions"}
    )


def _choose(
    fields: list[str], wanted: str | None, guesses: Sequence[str], option: str
) -> str | None:
    if wanted is None:
        by_name = {"_".join(field.lower().split()): field for field in reversed(fields)}
        return next((by_name[guess] for guess in guesses if guess in by_name), None)
    if wanted not in fields:
        raise ValueError(f"no column {wanted!r} for {option}; {_listed(fields)}")
    return wanted


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):  # JSON has no name for it
        return None
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return value if isinstance(value, str | int | float | None) else str(value)


def _listed(fields: list[str]) -> str:
    return f"it has {', '.join(map(repr, fields))}" if fields else "it has no columns"


def _name(value: object) -> str:
    return "empty" if value is None else f"of type {type(value).__name__}"
