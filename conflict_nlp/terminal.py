"""What people read on a terminal: tables, and a bar that tells how far the work is."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TextIO, TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from conflict_nlp import store
from conflict_nlp.formats import Reader
from conflict_nlp.labels import LABELS, TERMINAL_COLOURS
from conflict_nlp.results import Prediction
from conflict_nlp.rows import Tagged, summary_rows

T = TypeVar("T")
_ROWS_AT_A_TIME = 16


def _console(stream: TextIO) -> Console:
    """Return a console as wide as the terminal, or 120 columns wide where there is none."""
    width = None if stream.isatty() else 120
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def print_sentences(tagged: Iterable[Tagged], labels: Sequence[str], stream: TextIO) -> None:
    """Print the sentences of each article as they come, with their labels and scores."""
    printer = _console(stream)
    for article, headline, sentences in tagged:
        printer.print(Text(_shown(article.id), "italic"), justify="center")
        table = _table(labels)
        if headline is not None:
            table.add_row(Text(_shown(headline.text), "bold"), _labels(headline))
        rows = islice(sentences, _ROWS_AT_A_TIME)
        while True:
            for sentence in rows:
                table.add_row(Text(_shown(sentence.text)), _labels(sentence))
            if not table.row_count:
                break
            printer.print(table)
            table = _table(labels, show_header=False)
            rows = islice(sentences, _ROWS_AT_A_TIME)


def print_summaries(tagged: Iterable[Tagged], labels: Sequence[str], stream: TextIO) -> None:
    """Print for each article how many sentences have each label, and the first of them."""
    printer = _console(stream)
    for row in summary_rows(tagged, labels):
        printer.print(Text(_shown(row["article"]), "italic"), justify="center")
        table = Table("label", "sentences", "share", "first", box=None, padding=(0, 1))
        for label in labels:
            share = row[f"{label}_share"]
            table.add_row(
                Text(label, _style(label)),
                f"{row[label]} of {row['sentences']}",
                "-" if share is None else f"{share:.0%}",
                Text(_shown(row[f"{label}_first"] or "-")),
            )
        printer.print(table)


def print_models(stream: TextIO) -> list[str]:
    """Print the shipped models with their scores; return what is wrong with damaged ones."""
    table = Table("model", "MB", "macro F1", *LABELS, box=None)
    damaged = []
    for name, folder in store.shipped_models().items():
        try:
            scores = store.read(folder).manifest.get("scores", {})
        except store.ModelError as error:
            damaged.append(str(error))
            continue
        size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        shown = [scores.get(key) for key in ("macro_f1", *LABELS)]
        table.add_row(
            name + (" (default)" if name == store.DEFAULT_MODEL else ""),
            f"{size:.1f}",
            *("-" if value is None else f"{value:.3f}" for value in shown),
        )
    _console(stream).print(table)
    return damaged


def watched(items: Iterator[T], reader: Reader, output: Path | None) -> Iterator[T]:
    """Pass items on; if that takes over a second, show a bar on standard error.

    There is none if standard error is no terminal, or the terminal shows the output.
    """
    if sys.stderr is None or not sys.stderr.isatty() or (output is None and sys.stdout.isatty()):
        yield from items
        return
    from rich.progress import Progress, TimeElapsedColumn

    columns = (*Progress.get_default_columns(), TimeElapsedColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = None
    began = time.monotonic()
    try:
        for number, item in enumerate(items, 1):
            if task is None and time.monotonic() - began > 1:
                task = bar.add_task("", total=reader.size)
                bar.start()
            if task is not None:
                bar.update(task, completed=reader.position, description=f"{number} rows")
            yield item
    finally:
        bar.stop()


def _table(labels: Sequence[str], *, show_header: bool = True) -> Table:
    # Columns of fixed width, as an article is printed in several tables.
    table = Table(show_header=show_header, box=None, padding=(0, 1), expand=True)
    table.add_column("sentence", ratio=1, overflow="fold")
    width = max(map(len, labels)) + len(" 0.00?")
    table.add_column("labels and scores", width=width, overflow="fold")
    return table


def _labels(prediction: Prediction) -> Text:
    tags = Text()
    for label in prediction.labels:
        doubt = "?" if label in prediction.uncertain_labels else ""
        tags.append("\n" if tags else "")
        tags.append(f"{label} {prediction.scores[label]:.2f}{doubt}", _style(label))
    if prediction.truncated:
        tags.append("\ntruncated" if tags else "truncated", "dim")
    return tags or Text("-", "dim")


def _style(label: str) -> str:
    return f"bold {TERMINAL_COLOURS.get(label, 'cyan')}"


def _shown(text: str) -> str:
    """Put spaces for control characters, which would steer the terminal."""
    return "".join(c if c.isprintable() else " " for c in text)
