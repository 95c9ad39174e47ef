"""The command line: ``conflict-nlp tag`` and ``conflict-nlp models``."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from conflict_nlp import __version__, store
from conflict_nlp.labels import LABELS, TERMINAL_COLOURS
from conflict_nlp.predict import Tagger
from conflict_nlp.results import TaggedArticle

app = typer.Typer(
    help="Tag every sentence of news articles on armed conflict.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class Format(str, Enum):
    """Output formats."""

    table = "table"
    jsonl = "jsonl"
    csv = "csv"


def _show_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show version.")
    ] = False,
) -> None:
    pass


@app.command(epilog="Example: conflict-nlp tag article.txt --threshold attribution_claim=0.7")
def tag(
    files: Annotated[
        list[str] | None, typer.Argument(help="Text files; - or none is standard input.")
    ] = None,
    format: Annotated[
        Format | None, typer.Option(help="Default: table on a terminal, jsonl otherwise.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="File to write, not the terminal.")] = None,
    model: Annotated[str, typer.Option(help="Shipped name or model folder.")] = "default",
    threshold: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL=VALUE", help="Score from which a label is given; repeatable."),
    ] = None,
) -> None:
    """Tag the sentences of text files."""
    try:
        tagger = Tagger.from_pretrained(model)
    except (store.ModelError, ImportError) as error:
        _fail(str(error), 2)
    thresholds = _thresholds(threshold or [], tagger.labels)
    names = files or ["-"]
    if format is None:
        format = Format.table if output is None and sys.stdout.isatty() else Format.jsonl
    failed: list[str] = []
    tagged = _tag_files(tagger, thresholds, names, failed)
    if output is None:
        _write(tagged, format, sys.stdout, tagger.labels)
    else:
        try:
            stream = output.open("w", encoding="utf-8", newline="")
        except OSError as error:
            _fail(f"cannot write {output}: {error.strerror}", 2)
        with stream:
            _write(tagged, format, stream, tagger.labels)
    if failed:
        raise typer.Exit(1)


@app.command(epilog="Example: conflict-nlp models")
def models() -> None:
    """List the shipped models, their size and their scores on held-out articles."""
    table = Table("model", "MB", "macro F1", *LABELS, box=None)
    for name, folder in store.shipped_models().items():
        manifest = store.read(folder).manifest
        scores = manifest.get("scores", {})
        size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        shown = [scores.get(key) for key in ("macro_f1", *LABELS)]
        table.add_row(
            name + (" (default)" if name == store.DEFAULT_MODEL else ""),
            f"{size:.1f}",
            *("-" if value is None else f"{value:.3f}" for value in shown),
        )
    _console(sys.stdout).print(table)


def _thresholds(given: list[str], labels: tuple[str, ...]) -> dict[str, float]:
    thresholds = {}
    for item in given:
        label, equals, value = item.partition("=")
        if not equals:
            _fail(f"--threshold takes LABEL=VALUE, not {item!r}", 2)
        if label not in labels:
            _fail(f"--threshold: unknown label {label!r}; known: {', '.join(labels)}", 2)
        try:
            thresholds[label] = float(value)
        except ValueError:
            _fail(f"--threshold {label}: {value!r} is not a number", 2)
        if not 0 <= thresholds[label] <= 1:
            _fail(f"--threshold {label}: {value} does not lie in 0..1", 2)
    return thresholds


def _tag_files(
    tagger: Tagger, thresholds: dict[str, float], names: list[str], failed: list[str]
) -> Iterator[tuple[str, TaggedArticle]]:
    """Yield each readable file's name and tags; report the others, and add them to `failed`."""
    console = Console(stderr=True)
    bar = track(
        names, "tagging", console=console, disable=len(names) < 2 or not console.is_terminal
    )
    for name in bar:
        try:
            text = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
            article = tagger.tag_article(text.decode("utf-8-sig"), thresholds=thresholds)
        except UnicodeDecodeError as error:
            failed.append(name)
            print(
                f"conflict-nlp: {name} is not UTF-8 (byte {error.start}): convert it first",
                file=sys.stderr,
            )
        except OSError as error:
            failed.append(name)
            print(f"conflict-nlp: cannot read {name}: {error.strerror}", file=sys.stderr)
        else:
            yield name, article


def _write(
    tagged: Iterable[tuple[str, TaggedArticle]],
    format: Format,
    stream: TextIO,
    labels: tuple[str, ...],
) -> None:
    if format is Format.table:
        console = _console(stream)
        for name, article in tagged:
            console.print(_table(name, article, labels))
    elif format is Format.jsonl:
        for name, article in tagged:
            for index, sentence in enumerate(article.sentences):
                row = {"article": name, "index": index, **sentence.to_dict()}
                # Lone surrogates have no UTF-8 form: JSON's own escapes carry them.
                stream.write(json.dumps(row, ensure_ascii=True) + "\n")
            stream.flush()
    else:
        columns = ["article", "index", "start", "end", "text", *labels]
        columns += [f"{label}_score" for label in labels] + ["uncertain", "truncated"]
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        for name, article in tagged:
            for record in article.to_records():
                values: dict[str, Any] = {"article": name, **record}
                values["text"] = record["text"].encode("utf-8", "replace").decode()
                values |= {key: f"{record[key]:.4f}" for key in record if key.endswith("_score")}
                values |= {key: int(record[key]) for key in ("uncertain", "truncated")}
                writer.writerow(values)


def _console(stream: TextIO) -> Console:
    terminal = stream.isatty()
    return Console(file=stream, width=None if terminal else 120, highlight=False, markup=False)


def _table(name: str, article: TaggedArticle, labels: tuple[str, ...]) -> Table:
    table = Table(
        "sentence", "labels and scores", title=Text(name), show_lines=False, padding=(0, 1)
    )
    table.columns[0].ratio = 1
    table.columns[1].no_wrap = True
    for sentence in article.sentences:
        tags = Text()
        for label in sentence.labels:
            colour = TERMINAL_COLOURS.get(label, "cyan")
            doubt = "?" if label in sentence.uncertain_labels else ""
            tags.append("\n" if tags else "")
            tags.append(f"{label} {sentence.scores[label]:.2f}{doubt}", f"bold {colour}")
        shown = "".join(c if c.isprintable() else " " for c in sentence.text)
        table.add_row(Text(shown), tags or Text("-", "dim"))
    return table


def _fail(message: str, status: int) -> Any:
    print(f"conflict-nlp: {message}", file=sys.stderr)
    raise typer.Exit(status)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
