"""Labelled sentences from files, and splits that never cut an article in two."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from training.tables import FLAGS, read_table, unnamed
from training.task import FOUR_LABELS, Task

log = logging.getLogger(__name__)

_WINDOW = re.compile(r"(?<=.)@\d+\Z", re.DOTALL)


def read_sentences(paths: Sequence[str | Path], task: Task = FOUR_LABELS) -> Dataset:
    """Read labelled files into one row a sentence.

    The shapes of files are those of ``docs/retraining.md``. In JSON lines each line is an
    article, ``{"id", "sentences": [{"text", "labels": [...]}]}``, or a single sentence,
    ``{"article", "text", "labels": [...]}`` or ``{"article", "text", "targets": [...]}`` with one
    probability in 0..1 a label (soft targets).

    Returns
    -------
    datasets.Dataset
        Columns ``article`` (str), ``index`` (int, position in its article), ``text`` (str) and
        ``targets`` (list of float, one a label, in the order of the task's labels).

    Raises
    ------
    FileNotFoundError
        If a path does not exist.
    ValueError
        If a row has no text, an unknown label, or targets of another length or outside 0..1, or
        a table has no column for one of the labels.
    """
    tables = [read_table(Path(path)) for path in paths]
    for table in tables:
        found = {task.names.get(name, name) for name in table.labels}
        missing = [label for label in task.labels if label not in found]
        # One column of classes may have any name; that of a column without one says nothing.
        tells = "labels" in table.records[0] or task.kind == "multi-label"
        if found and missing and tells and table.labels != unnamed(len(table.labels)):
            raise ValueError(f"{table.path} has no {missing[0]!r} among {', '.join(table.labels)}")
    rows = [
        {
            "article": record["article"],
            "index": record["index"],
            "text": record["text"],
            "targets": _targets(record, task),
        }
        for table in tables
        for record in table.records
    ]
    return Dataset.from_list(rows)


def warn_of_overlap(training: Dataset, others: Mapping[str, Dataset]) -> None:
    """Log how many texts of other data, by their name, are trained on too."""
    texts = set(training["text"])
    for name, data in others.items():
        if known := sum(text in texts for text in data["text"]):
            log.warning(
                "%d of %d %s texts are trained on too: scores on them flatter",
                *(known, len(data), name),
            )


def _targets(record: Mapping[str, Any], task: Task) -> list[float]:
    where = record["where"]
    if "targets" in record:
        targets = [float(value) for value in record["targets"]]
        if len(targets) != len(task.labels):
            raise ValueError(f"{where}: {len(targets)} targets for {len(task.labels)} labels")
        if not all(0 <= target <= 1 for target in targets):
            raise ValueError(f"{where}: targets must lie in 0..1, not {targets}")
        return targets
    if "label" in record and task.kind == "multi-label":
        flag = FLAGS.get(record["label"].lower())
        if len(task.labels) != 1 or flag is None:
            raise ValueError(
                f"{where}: one label, {record['label']!r}, where each of "
                f"{', '.join(task.labels)} must be 0 or 1"
            )
        return [float(flag)]
    given = [record["label"]] if "label" in record else record.get("labels")
    if given is None:
        raise ValueError(f"{where}: a sentence has neither 'labels' nor 'targets' nor 'label'")
    given = [task.names.get(name, name) for name in given]
    if unknown := set(given) - set(task.labels):
        known = list(task.labels)
        raise ValueError(f"{where}: unknown label {sorted(unknown)[0]!r}; known: {known}")
    if task.kind == "multi-class" and len(given) != 1:
        raise ValueError(f"{where}: {len(given)} labels, where exactly one of the classes holds")
    return [float(label in given) for label in task.labels]


def article_groups(articles: Iterable[str]) -> list[str]:
    """Return the group of each article id: the id without ``@`` and a number at its end.

    These mark windows of one text.
    """
    return [_WINDOW.sub("", article) for article in articles]


def stretches(sentences: Dataset) -> list[range]:
    """Return the rows of sentences that stand together, in the order of the rows.

    They are adjacent rows of one article, of which each has the index that follows the last one's.
    """
    articles, positions = sentences["article"][:], sentences["index"][:]
    starts = [
        row
        for row in range(len(sentences))
        if row == 0
        or articles[row] != articles[row - 1]
        or positions[row] != positions[row - 1] + 1
    ]
    return [range(start, end) for start, end in zip(starts, [*starts[1:], len(sentences)])]


def texts_by_article(sentences: Dataset) -> list[list[str]]:
    """Return the texts of each of `stretches`, as `Tagger.predict_articles` takes them."""
    texts = sentences["text"][:]
    return [[texts[row] for row in rows] for rows in stretches(sentences)]


def in_development_split(article: str, fraction: float) -> bool:
    """Tell whether an article belongs to the development split.

    The choice hangs on a hash of the article's group alone, so that it stays the same when data
    is added, and across scripts.
    """
    digest = hashlib.sha256(article_groups([article])[0].encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < fraction


def split_articles(sentences: Dataset, fraction: float) -> tuple[Dataset, Dataset]:
    """Split sentences by article into a training and a development part."""
    chosen = np.array([in_development_split(a, fraction) for a in sentences["article"]])
    return sentences.select(np.flatnonzero(~chosen)), sentences.select(np.flatnonzero(chosen))


def thin(sentences: Dataset, at_most: int, seed: int) -> Dataset:
    """Keep at most `at_most` sentences, drawn at random, of those that have the same rarest label.

    Sentences without any label count as one such group. Rare labels keep all of theirs.
    """
    targets = np.array(sentences["targets"]) >= 0.5
    common = targets.sum(0)
    rarest = np.where(targets.any(1), np.where(targets, common, np.inf).argmin(1), -1)
    order = np.random.default_rng(seed).permutation(len(rarest))
    kept = [order[rarest[order] == group][:at_most] for group in np.unique(rarest)]
    return sentences.select(np.sort(np.concatenate(kept)))
