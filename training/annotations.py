"""Labels kept apart from the text that they belong to, and the way back.

    python -m training.annotations strip train.jsonl --out training/annotations/train.jsonl
    python -m training.annotations join corpora/ more.csv.zip --out train.jsonl
    python -m training.annotations agree training/corpus/*.jsonl --second second.jsonl

The text of the real articles may not be passed on, their labels may. `strip` writes one line a
sentence, ``{"article", "index", "sha256", "labels"}``, without text. `join` reads copies of the
public corpora named in ``docs/data.md`` (text, CSV, TSV, JSON, JSON lines, also in zip, tar and
gzip archives), splits them with the library's own splitter, finds the labelled sentences by
their hash, and writes the articles that the training scripts read. The hash is the sha256 of the
sentence with each run of white space as one space. `agree` compares two labellings.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import io
import json
import logging
import tarfile
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import cohen_kappa_score, f1_score

from conflict_nlp.labels import LABELS
from conflict_nlp.sentences import split_sentences
from training.data import read_sentences
from training.options import errors_in_one_line
from training.progress import track

log = logging.getLogger(__name__)

FOLDER = Path(__file__).with_suffix("")

_FIELDS = {"article": str, "index": int, "sha256": str, "labels": list}
_BAD_ARCHIVE = (zipfile.BadZipFile, tarfile.TarError, RuntimeError)  # the last: encrypted


def fingerprint(text: str) -> str:
    """Return the sha256 of a sentence, white space normalised, as 64 hexadecimal digits."""
    return hashlib.sha256(" ".join(text.split()).encode("utf-8", "replace")).hexdigest()


def strip(paths: Sequence[Path], out: Path) -> int:
    """Write the labels of labelled files without their text; return the number of sentences."""
    sentences = read_sentences(paths)  # before the file to write is opened, and so emptied
    with out.open("w", encoding="utf-8") as stream:
        for row in sentences:
            kept = [label for label, target in zip(LABELS, row["targets"]) if target >= 0.5]
            line = {
                "article": row["article"],
                "index": row["index"],
                "sha256": fingerprint(row["text"]),
                "labels": kept,
            }
            stream.write(json.dumps(line) + "\n")
    return len(sentences)


def join(paths: Sequence[Path], annotations: Sequence[Path], out: Path) -> tuple[int, int]:
    """Write the labelled articles whose sentences stand in `paths`.

    Of labels for the same sentence those of the later file of `annotations` hold.

    Returns
    -------
    found, total
        Number of labelled sentences found, and of those looked for.

    Raises
    ------
    ValueError
        If a file of `annotations` is not as `strip` writes it.
    """
    rows: dict[tuple[str, int, str], dict[str, Any]] = {}
    for path in annotations:
        for row in _standoff(path):
            rows[row["article"], row["index"], row["sha256"]] = row
    wanted: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows.values():
        wanted[row["sha256"]].append(row)
    # Sentences of a table may have no numbers, and so one index.
    articles: dict[str, dict[tuple[int, str], dict[str, Any]]] = defaultdict(dict)
    files = [file for path in paths for file in _files(path)]
    for file in track(files, "reading"):
        for text in _texts(file):
            candidates = {text, *(sentence.text for sentence in split_sentences(text))}
            for candidate in candidates:
                for row in wanted.get(fingerprint(candidate), ()):
                    # Its place tells which sentences stand side by side, if some are not found.
                    place = {"index": row["index"], "text": candidate}
                    sentence = {**place, "labels": row["labels"]}
                    articles[row["article"]][row["index"], row["sha256"]] = sentence
    with out.open("w", encoding="utf-8") as stream:
        for article, found in sorted(articles.items()):
            ordered = [found[place] for place in sorted(found)]
            stream.write(json.dumps({"id": article, "sentences": ordered}) + "\n")
    return sum(map(len, articles.values())), len(rows)


def agree(first: Sequence[Path], second: Path) -> str:
    """Return agreement with the standoff labels in `second` as a Markdown table.

    Cohen, 1960: "A coefficient of agreement for nominal scales", for each label; F1 takes the
    first labelling for the truth.

    Raises
    ------
    ValueError
        If `second` is not as `strip` writes it, or has none of the sentences of `first`.
    """
    other = defaultdict(list)
    for row in _standoff(second):
        other[row["article"], row["sha256"]].append(row["labels"])
    pairs, articles = [], set()
    for row in read_sentences(first):
        key = row["article"], fingerprint(row["text"])
        if other[key]:  # a sentence that an article has twice may have other labels there
            labels = other[key].pop(0)
            articles.add(row["article"])
            pairs.append((np.array(row["targets"]) >= 0.5, [label in labels for label in LABELS]))
    if not pairs:
        raise ValueError(f"no sentence of {second} stands in the other files")
    one, two = (np.array(side) for side in zip(*pairs))
    lines = [
        f"{len(articles)} articles, {len(pairs)} sentences, "
        f"{int((one != two).any(1).sum())} with a difference",
        "",
        "| label | first | second | kappa | F1 |",
        "|---|---|---|---|---|",
    ]
    for i, label in enumerate(LABELS):
        a, b = one[:, i], two[:, i]
        kappa = f1 = 1.0  # which neither is by definition where both give it to all, or to none
        if (a | b).any() and not (a & b).all():
            kappa, f1 = cohen_kappa_score(a, b), f1_score(a, b)
        lines.append(f"| {label} | {a.sum()} | {b.sum()} | {kappa:.3f} | {f1:.3f} |")
    return "\n".join(lines)


def _standoff(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file that `strip` wrote."""
    rows = []
    for number, line in enumerate(path.read_text("utf-8", errors="replace").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict) or any(
            not isinstance(row.get(name), kind) for name, kind in _FIELDS.items()
        ):
            raise ValueError(
                f"{path}, line {number} is not {', '.join(_FIELDS)} of one sentence: `python -m "
                "training.annotations strip` writes such a file from a labelled one"
            )
        if unknown := [label for label in row["labels"] if label not in LABELS]:
            raise ValueError(
                f"{path}, line {number}: unknown label {unknown[0]!r}; known: {', '.join(LABELS)}"
            )
        rows.append(row)
    return rows


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = (child for child in path.rglob("*") if child.is_file())
        visible = (f for f in found if not any(p[0] == "." for p in f.relative_to(path).parts))
        return sorted(visible)
    if not path.is_file():
        raise FileNotFoundError(f"no file or folder at {path}")
    return [path]


def _texts(file: Path) -> list[str]:
    """Return every text in a file; of one that cannot be read none, with a warning."""
    try:
        return list(_strings(file.name, file.read_bytes()))
    except (OSError, EOFError, ValueError, csv.Error, zlib.error, *_BAD_ARCHIVE) as error:
        log.warning("%s is left out, it cannot be read: %s", file, error)
        return []


def _strings(name: str, content: bytes) -> Iterator[str]:
    """Yield every text that a file holds: table cells, JSON strings, or the file itself."""
    suffix = Path(name.lower()).suffix
    if suffix == ".zip":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    yield from _strings(member.filename, archive.read(member))
    elif suffix in (".tar", ".tgz") or name.lower().endswith(".tar.gz"):
        with tarfile.open(fileobj=io.BytesIO(content)) as tar:
            for entry in tar:
                extracted = tar.extractfile(entry)
                if extracted is not None:
                    yield from _strings(entry.name, extracted.read())
    elif suffix == ".gz":
        yield from _strings(name[:-3], gzip.decompress(content))
    else:
        text = content.decode("utf-8-sig", "replace")
        if suffix in (".json", ".jsonl"):
            for value in _values(text):
                yield from _leaves(value)
        elif suffix in (".csv", ".tsv"):
            csv.field_size_limit(2**31 - 1)
            lines = io.StringIO(text, newline="")
            for row in csv.reader(lines, delimiter="," if suffix == ".csv" else "\t"):
                yield from row
        else:
            yield text


def _values(text: str) -> list[Any]:
    """Return what JSON or JSON lines hold: the public corpora call both .json."""
    try:
        return [json.loads(text)]
    except ValueError:
        return [json.loads(line) for line in text.split("\n") if line.strip()]


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description="Part labels from text, or bring them together.",
        epilog="Example: python -m training.annotations join corpora/ --out train.jsonl",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("strip", "labelled files"),
        ("join", "files or folders of text"),
        ("agree", "labelled files"),
    ):
        command = commands.add_parser(name)
        command.add_argument("paths", type=Path, nargs="+", help=what)
        if name == "agree":
            command.add_argument("--second", type=Path, required=True, help="standoff labels")
        else:
            command.add_argument("--out", type=Path, required=True, help="file to write")
        if name == "join":
            command.add_argument(
                "--annotations",
                type=Path,
                nargs="+",
                default=[FOLDER / "train.jsonl", FOLDER / "more.jsonl"],
                help="standoff files; default: those of the training articles",
            )
    options = parser.parse_args(argv)
    with errors_in_one_line(parser):
        if options.command != "agree" and options.out in options.paths:
            raise ValueError(f"--out {options.out} is one of the files to read")
        if options.command == "strip":
            print(f"{strip(options.paths, options.out)} sentences")
        elif options.command == "agree":
            print(agree(options.paths, options.second))
        else:
            found, total = join(options.paths, options.annotations, options.out)
            print(f"found {found} of {total} labelled sentences ({found / max(total, 1):.1%})")


if __name__ == "__main__":
    main()
