"""Labelled files of several shapes, read into records of one shape."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conflict_nlp.sentences import replace_surrogates

log = logging.getLogger(__name__)

_TEXT = ("text", "sentence")
RESERVED = {*_TEXT, "article", "id", "index", "title", "source", "date"}
RESERVED |= {"start", "end", "uncertain", "truncated", "sentences"}
RESERVED |= {""}  # pandas gives its index no name
"""Names that columns other than labels have."""

FLAGS = {"0": "0", "0.0": "0", "false": "0", "1": "1", "1.0": "1", "true": "1"}
"""What programs write for 0 and 1."""

_QUOTE = ': put the text into quotation marks, and write "" for one inside'


@dataclass
class Table:
    """What a file holds.

    Attributes
    ----------
    path
        The file.
    labels
        Names of its labels, if it tells them.
    records
        One dict a text: ``where`` (for messages), ``article``, ``index``, ``text``, and one of
        ``labels`` (list of names), ``label`` (name of a class, or 0 or 1) and ``targets`` (list
        of probabilities).
    """

    path: Path
    labels: tuple[str, ...]
    records: list[dict[str, Any]]


def read_table(path: Path) -> Table:
    """Read a labelled file: a table if it ends in .csv or .tsv, else JSON or JSON lines.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it has none of the shapes that ``docs/retraining.md`` names; names the row.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no data file at {path}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 ({error}): save it as UTF-8") from None
    is_delimited = path.suffix.lower() in (".csv", ".tsv")
    table = _delimited(path, text) if is_delimited else _json(path, text)
    if not table.records:
        raise ValueError(f"no sentences in {path}")
    for record in table.records:
        if not isinstance(record["text"], str):
            raise ValueError(f"{record['where']}: a sentence has no 'text'")
        record["text"] = replace_surrogates(record["text"])
    blank = [record["where"] for record in table.records if not record["text"].strip()]
    if blank:  # some public tables have such rows
        log.warning("%s: the text is blank, as that of %d rows in all", blank[0], len(blank))
    return table


def unnamed(count: int) -> tuple[str, ...]:
    """Return what `count` labels are called in a file that does not name them."""
    return tuple(f"label_{i + 1}" for i in range(count)) if count > 1 else ("label",)


def _article(ids: Iterable[Any], texts: Iterable[Any]) -> str:
    """Return the first id there is, or else one that equal texts of all files share."""
    for value in ids:
        if value not in (None, "") and value == value:  # NaN is what pandas has for none
            return str(value)
    joined = "\n".join(map(str, texts)).encode("utf-8", "replace")
    return f"text-{hashlib.sha256(joined).hexdigest()[:16]}"


def _index(value: Any) -> int:
    """Return a position as a whole number, which programs also write as 1.0; 0 if it is none."""
    text = str(value).strip().removesuffix(".0")
    return int(text) if text.removeprefix("-").isdecimal() else 0


def _class(value: str) -> str:
    """Return a name or a whole number, which programs also write as 1.0."""
    value = value.strip()
    whole = value.removesuffix(".0")
    return whole if whole.removeprefix("-").isdecimal() else value


def _delimited(path: Path, text: str) -> Table:
    rows = _rows(path, text)
    if not rows:
        return Table(path, (), [])
    names = [cell.strip() for cell in rows[0][1]]
    has_header = any(name.lower() in _TEXT for name in names)
    if has_header:
        names = [name.lower() if name.lower() in RESERVED else name for name in names]
        names[next(i for i, name in enumerate(names) if name in _TEXT)] = "text"
    else:
        names = ["text", *unnamed(len(names) - 1)]
    named = [name for name in names if name]
    if len(set(named)) < len(named):
        raise ValueError(f"{path}: two columns have one name: {', '.join(names)}")
    scores = {name for name in names if name.removesuffix("_score") in {*names} - {name}}
    labels = tuple(name for name in names if name not in RESERVED | scores)
    if not labels:
        raise ValueError(f"{path} has no label column, only {', '.join(names)}")
    if ignored := sorted({*names} & RESERVED - {"text", "article", "id", "index"}):
        shown = ", ".join(name or "one without a name" for name in ignored)
        log.info("%s: columns that are no labels: %s", path, shown)
    # A review sheet guards cells against spreadsheets, see `conflict_nlp.review.write_sheet`.
    is_sheet = bool(scores) and {"article", "index"} <= {*names} and "start" not in names
    records: list[dict[str, Any]] = []
    for number, cells in rows[1:] if has_header else rows:
        row = dict(zip(names, cells))
        if not any(map(str.strip, cells)):
            continue  # cleared in a spreadsheet instead of deleted
        if is_sheet:
            row |= {name: row[name].removeprefix("'") for name in ("article", "text")}
        where = f"{path}, row {number}"
        record: dict[str, Any] = {
            "where": where,
            "article": _article((row.get("article"), row.get("id")), [row["text"]]),
            "index": _index(row.get("index")),
            "text": row["text"],
        }
        if len(labels) == 1:
            record["label"] = _class(row[labels[0]])
        else:
            record["labels"] = [name for name in labels if _is_one(where, name, row)]
        records.append(record)
    return Table(path, labels, records)


def _is_one(where: str, name: str, row: dict[str, str]) -> bool:
    flag = FLAGS.get(row[name].strip().lower())
    if flag is None:
        raise ValueError(
            f"{where}: {name} must be 0 or 1, not {row[name]!r} (a first row with the names of the "
            "columns must name one 'text'; several classes stand in one column)"
        )
    return flag == "1"


def _rows(path: Path, text: str) -> list[tuple[int, list[str]]]:
    """Return the rows that are not empty, with their numbers; all have one width."""
    csv.field_size_limit(2**31 - 1)
    is_tsv = path.suffix.lower() == ".tsv"
    is_raw = is_tsv and _is_raw(text)
    if is_raw:
        log.info("%s: quotation marks are taken for part of the texts", path)
    rows: list[tuple[int, list[str]]] = []
    width = 0
    for delimiter in "\t" if is_tsv else ",;\t":
        stream = io.StringIO(text, newline="")
        lines = csv.reader(
            stream,
            delimiter=delimiter,
            quoting=csv.QUOTE_NONE if is_raw else csv.QUOTE_MINIMAL,
        )
        found = [(number, cells) for number, cells in enumerate(lines, start=1) if cells]
        columns = len(found[0][1]) if found else 0
        is_even = columns > 1 and all(len(cells) == columns for _, cells in found)
        if columns > width or is_even:
            rows, width, chosen = found, columns, delimiter
        if is_even:
            break
    if not is_tsv and any("\n" in cell for _, cells in rows for cell in cells):
        # A stray quotation mark may have swallowed line ends.
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=chosen, strict=True)
        try:
            deque(lines, maxlen=0)
        except csv.Error as error:
            raise ValueError(f"{path}, line {lines.line_num}: {error}{_QUOTE}") from None
    for number, cells in rows:
        if len(cells) != width or width == 1:
            raise ValueError(
                f"{path}, row {number} has {len(cells)} columns, where "
                + (f"row 1 has {width}" if width > 1 else "a text and a label are needed")
            )
        if is_tsv and any("\n" in cell and "\t" in cell for cell in cells):
            raise ValueError(
                f"{path}, row {number}: a quotation mark opens a text and does not close it{_QUOTE}"
            )
    return rows


def _is_raw(text: str) -> bool:
    """Tell whether a quotation mark that opens a cell has its closing one before the end of it."""
    try:
        for _ in csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True):
            pass
    except csv.Error as error:
        return "expected after" in str(error)
    return False


def _json(path: Path, text: str) -> Table:
    try:
        if text.lstrip().startswith("["):
            values = list(enumerate(json.loads(text), start=1))
        else:
            lines = enumerate(text.split("\n"), start=1)
            values = [(number, json.loads(line)) for number, line in lines if line.strip()]
    except ValueError as error:
        raise ValueError(f"{path}: not valid JSON lines: {error}") from None
    records: list[dict[str, Any]] = []
    labels: dict[str, None] = {}
    skipped = 0
    for number, value in values:
        where = f"{path}, line {number}"
        if not isinstance(value, dict):
            raise ValueError(f"{where}: not an object with 'text' or 'sentences'")
        if isinstance(value.get("data"), dict):
            try:
                choices = _choices(value)
            except (AttributeError, LookupError, TypeError):
                raise ValueError(f"{where}: no annotations as Label Studio exports them") from None
            if choices is None:
                skipped += 1
                continue
            value = value["data"] | {"label": choices}
        if isinstance(value.get("label"), list):  # doccano and Label Studio, with their scores
            labels |= dict.fromkeys(n[:-6] for n in value if n.endswith("_score"))
        sentences = [value] if value.get("sentences") is None else value["sentences"]
        if not isinstance(sentences, list):
            raise ValueError(
                f"{where}: 'sentences' must be a list of objects with 'text', not {sentences!r}"
            )
        for index, sentence in enumerate(sentences):
            if not isinstance(sentence, dict):
                raise ValueError(f"{where}: sentence {index} is not an object with 'text'")
        texts = [sentence.get("text") for sentence in sentences]
        article = _article((value.get("article"), value.get("id")), texts)
        for index, sentence in enumerate(sentences):
            given = _given(where, sentence)
            position = index if sentence.get("index") is None else _index(sentence["index"])
            place = {"where": where, "article": article, "index": position}
            records.append({**place, "text": sentence.get("text"), **given})
    if skipped:
        log.warning("%s: %d tasks that were skipped in review are left out", path, skipped)
    return Table(path, tuple(labels), records)


def _given(where: str, sentence: dict[str, Any]) -> dict[str, Any]:
    """Return what is said of a sentence's labels, or raise if it is not what its name asks for."""
    targets, labels, label = (sentence.get(name) for name in ("targets", "labels", "label"))
    if targets is not None:
        if not isinstance(targets, list) or not all(isinstance(v, (int, float)) for v in targets):
            raise ValueError(
                f"{where}: 'targets' must be a list of probabilities, one a label, not {targets!r}"
            )
        return {"targets": targets}
    if labels is None and isinstance(label, list):
        labels = label
    if labels is not None:
        if not isinstance(labels, list) or not all(isinstance(name, str) for name in labels):
            raise ValueError(
                f"{where}: 'labels' must be a list of names, [] if none holds, not {labels!r}"
            )
        return {"labels": labels}
    if isinstance(label, dict):
        raise ValueError(f"{where}: 'label' must be a name, a number or true or false, not {label}")
    if "label" in sentence and (label is None or label != label):  # NaN: so pandas has none
        return {"label": ""}
    if label is None:
        return {}
    return {"label": _class(str(int(label) if isinstance(label, bool) else label))}


def _choices(task: dict[str, Any]) -> list[str] | None:
    """Return what people chose for a task of Label Studio, or else what was proposed to them.

    None if they skipped it.
    """
    annotations = task.get("annotations") or []
    chosen = [each for each in annotations if not each.get("was_cancelled")]
    if annotations and not chosen:
        return None
    results = (chosen or task.get("predictions") or [{}])[-1].get("result", [])
    return [name for each in results for name in each.get("value", {}).get("choices", [])]
