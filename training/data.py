"""Labelled sentences from files, and splits that never cut an article in two."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, load_dataset

from conflict_nlp.labels import LABELS


def read_sentences(paths: Sequence[str | Path], labels: Sequence[str] = LABELS) -> Dataset:
    """Read JSON-lines files into one row a sentence.

    Each line is an article, ``{"id", "sentences": [{"text", "labels": [...]}]}``, or a single
    sentence, ``{"article", "text", "labels": [...]}`` or ``{"article", "text", "targets": [...]}``
    with one probability in 0..1 a label (soft targets).

    Returns
    -------
    datasets.Dataset
        Columns ``article`` (str), ``index`` (int, position in its article), ``text`` (str) and
        ``targets`` (list of float, one a label, in the order of `labels`).

    Raises
    ------
    FileNotFoundError
        If a path does not exist.
    ValueError
        If a row has no text, an unknown label, or targets of another length.
    """
    rows: list[dict[str, Any]] = []
    for path in map(Path, paths):
        if not path.is_file():
            raise FileNotFoundError(f"no data file at {path}")
        table = load_dataset("json", data_files=str(path), split="train")
        for number, line in enumerate(table):
            article = str(line.get("id") or line.get("article") or f"{path.name}:{number}")
            sentences = line["sentences"] if line.get("sentences") is not None else [line]
            for index, sentence in enumerate(sentences):
                rows.append(
                    {
                        "article": article,
                        "index": index,
                        "text": sentence["text"],
                        "targets": _targets(sentence, labels, f"{path}, line {number + 1}"),
                    }
                )
    if not rows:
        raise ValueError(f"no sentences in {', '.join(map(str, paths))}")
    return Dataset.from_list(rows)


def _targets(sentence: dict[str, Any], labels: Sequence[str], where: str) -> list[float]:
    if not isinstance(sentence.get("text"), str):
        raise ValueError(f"{where}: a sentence has no 'text'")
    if sentence.get("targets") is not None:
        targets = [float(value) for value in sentence["targets"]]
        if len(targets) != len(labels):
            raise ValueError(f"{where}: {len(targets)} targets for {len(labels)} labels")
        return targets
    given = sentence.get("labels")
    if given is None:
        raise ValueError(f"{where}: a sentence has neither 'labels' nor 'targets'")
    unknown = set(given) - set(labels)
    if unknown:
        raise ValueError(f"{where}: unknown label {sorted(unknown)[0]!r}; known: {list(labels)}")
    return [float(label in given) for label in labels]


def article_groups(articles: Iterable[str]) -> list[str]:
    """Return the group of each article id: the id up to ``@``, which marks windows of one text."""
    return [article.split("@")[0] for article in articles]


def in_development_split(article: str, fraction: float) -> bool:
    """Tell whether an article belongs to the development split.

    The choice hangs on a hash of the article's group alone, so that it stays the same when data
    is added, and across scripts.
    """
    digest = hashlib.sha256(article.split("@")[0].encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < fraction


def split_articles(sentences: Dataset, fraction: float) -> tuple[Dataset, Dataset]:
    """Split sentences by article into a training and a development part."""
    chosen = np.array([in_development_split(a, fraction) for a in sentences["article"]])
    return sentences.select(np.flatnonzero(~chosen)), sentences.select(np.flatnonzero(chosen))
