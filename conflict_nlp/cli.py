"""The command line: ``conflict-nlp tag`` and ``conflict-nlp models``."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from conflict_nlp import __version__

if TYPE_CHECKING:  # what takes long to import is imported where it is used
    from conflict_nlp.formats import Reader
    from conflict_nlp.predict import Tagger

app = typer.Typer(
    help="Tag every sentence of news articles on armed conflict.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
# typer names no common class of the errors of usage, whose home differs between its versions.
_UsageError: type[Any] = typer.BadParameter.__bases__[0]


class Format(str, Enum):
    """Output formats."""

    table = "table"
    jsonl = "jsonl"
    csv = "csv"
    parquet = "parquet"
    html = "html"


def _show_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback(epilog="Example: conflict-nlp tag article.txt")
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show version.")
    ] = False,
) -> None:
    pass


def _option(metavar: str, text: str) -> Any:
    return typer.Option(metavar=metavar, help=text, show_default=False)


@app.command(epilog="Example: conflict-nlp tag news/ --summary --output news.csv")
def tag(
    files: Annotated[list[str] | None, typer.Argument(metavar="FILE", hidden=True)] = None,
    format: Annotated[
        Format | None,
        typer.Option(metavar="FORMAT", help="table, jsonl, csv, parquet or html."),
    ] = None,
    output: Annotated[Path | None, _option("FILE", "Write here; its end tells the format.")] = None,
    model: Annotated[str, _option("MODEL", "Name of a shipped model, or a folder.")] = "default",
    threshold: Annotated[
        list[str] | None, _option("LABEL=VALUE", "Score from which a label is given.")
    ] = None,
    text_column: Annotated[str | None, _option("NAME", "Column of the text in tables.")] = None,
    title_column: Annotated[str | None, _option("NAME", "Column of the title in tables.")] = None,
    id_column: Annotated[str | None, _option("NAME", "Column that names the article.")] = None,
    summary: Annotated[bool, typer.Option("--summary", help="One row an article.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an --output that was interrupted.")
    ] = False,
) -> None:
    """Tag each sentence of articles.

    FILE is a file or folder; - or none is standard input. Read are text, HTML,
    JSON lines, CSV and parquet, plain or with gzip.
    """
    names = files or ["-"]
    if names.count("-") > 1:
        _fail("standard input (-) can be read only once", 2)
    if (sys.stdin is None and "-" in names) or (sys.stdout is None and output is None):
        _fail("standard input or output is closed", 2)
    chosen = _format(format, output, summary, resume)
    if output is not None and any(_is_same(name, output) for name in names):
        _fail(f"--output {output} is one of the files to read", 2)
    reader = None
    try:
        from conflict_nlp.formats import Reader

        tagger = _load(model)
        limits = _thresholds(threshold or [], tagger.labels)
        if "-" in names and sys.stdin.isatty():
            _note("reading standard input; Ctrl-D ends it")
        columns = {"text_column": text_column, "title_column": title_column, "id_column": id_column}
        reader = Reader(names, **columns, leave_out=output, note=_note)
        _write(reader, tagger, limits, chosen, output, summary, resume)
    except KeyboardInterrupt:
        _report(reader)
        can_resume = output is not None and chosen in (Format.jsonl, Format.csv)
        _fail("interrupted" + "; the same with --resume goes on" * can_resume, 130)
    except BrokenPipeError:  # whoever reads the output wants no more of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except OSError as error:  # not from reading: the reader takes its own
        _report(reader)
        _fail(f"cannot write {output or 'the output'}: {error.strerror or error}", 1)
    except ImportError as error:  # an extra
        _fail(str(error), 2)
    if reader.problem_count:
        _report(reader)
        raise typer.Exit(1)


@app.command(epilog="Example: conflict-nlp models")
def models() -> None:
    """List the shipped models, their size and scores."""
    from conflict_nlp.terminal import print_models

    if damaged := print_models(sys.stdout):
        _fail("; ".join(damaged), 1)


def _format(format: Format | None, output: Path | None, summary: bool, resume: bool) -> Format:
    if output is not None and output.suffix == ".gz":
        _fail(f"--output {output}: output is not compressed, leave out .gz", 2)
    if format is None:
        ends = {f".{each.value}": each for each in Format}
        default = Format.table if output is None and sys.stdout.isatty() else Format.jsonl
        format = default if output is None else ends.get(output.suffix.lower(), default)
    if format is Format.parquet and output is None:
        _fail("--format parquet needs --output FILE", 2)
    if format is Format.html and summary:
        _fail("--summary has no html form: take table, jsonl, csv or parquet", 2)
    if resume and (output is None or format not in (Format.jsonl, Format.csv)):
        _fail("--resume needs --output FILE with --format jsonl or csv", 2)
    return format


def _is_same(name: str, output: Path) -> bool:
    return name != "-" and output.is_file() and Path(name).exists() and output.samefile(name)


def _load(model: str) -> Tagger:
    from conflict_nlp.predict import Tagger
    from conflict_nlp.store import ModelError

    try:
        return Tagger.from_pretrained(model)
    except (ModelError, ImportError) as error:
        _fail(str(error), 2)


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


def _write(
    reader: Reader,
    tagger: Tagger,
    thresholds: dict[str, float],
    format: Format,
    output: Path | None,
    summary: bool,
    resume: bool,
) -> None:
    from conflict_nlp import rows
    from conflict_nlp.terminal import watched

    articles = iter(reader)
    offset = 0
    if resume and output is not None:
        from conflict_nlp.resume import remaining, written

        try:
            done, offset = written(output, format.value, tagger.labels, summary=summary)
        except ValueError as error:
            _fail(f"--resume cannot go on with {output}: {error}", 2)
        _note(f"{output} holds {done.total()} articles; going on")
        articles = remaining(articles, done)
    tagged = rows.tag(tagger, articles, thresholds)
    with _opened(output, format, offset if resume else None) as stream:
        if format is Format.table:
            from conflict_nlp import terminal

            write = terminal.print_summaries if summary else terminal.print_sentences
            write(tagged, tagger.labels, stream)
            return
        if format is Format.html:
            from conflict_nlp.report import html_page

            whole = watched(rows.whole_articles(tagged), reader, output)
            stream.write(html_page(whole))
            return
        names = rows.columns(tagger.labels, summary=summary)
        if summary:
            made = rows.summary_rows(tagged, tagger.labels)
        else:
            made = (rows.nested_rows if format is Format.jsonl else rows.flat_rows)(tagged)
        made = watched(made, reader, output)
        if format is Format.jsonl:
            rows.write_jsonl(made, stream)
        elif format is Format.csv:
            rows.write_csv(made, stream, names, header=offset == 0)
        else:
            rows.write_parquet(made, stream, names)


@contextmanager
def _opened(output: Path | None, format: Format, offset: int | None) -> Iterator[Any]:
    """Open the output, cut it at `offset`; a page or parquet file appears only when whole."""
    if output is None:
        if isinstance(sys.stdout, io.TextIOWrapper) and format is not Format.table:
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")
        yield sys.stdout
        sys.stdout.flush()
        return
    at_once = format in (Format.parquet, Format.html)
    path = output.with_name(output.name + ".part") if at_once else output
    options: dict[str, Any] = {"encoding": "utf-8", "newline": ""}
    try:
        if format is Format.parquet:
            stream: Any = path.open("wb")
        else:
            stream = path.open("w" if offset is None else "a", **options)
    except OSError as error:
        _fail(f"cannot write {output}: {error.strerror}", 2)
    try:
        with stream:
            if offset is not None:
                stream.truncate(offset)
            yield stream
        if at_once:
            path.replace(output)
    finally:
        if at_once:
            path.unlink(missing_ok=True)


def _note(message: str) -> None:
    print(f"conflict-nlp: {message}", file=sys.stderr)


def _report(reader: Reader | None) -> None:
    if reader is None or not reader.problem_count:
        return
    for problem in reader.problems:
        _note(f"cannot read {problem}")
    if reader.problem_count > 1:
        _note(f"{reader.problem_count} files or rows could not be read")


def _fail(message: str, status: int) -> NoReturn:
    _note(message)
    raise typer.Exit(status)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line with the arguments given, or those of the process, and exit."""
    try:
        arguments = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
        status = app(arguments, prog_name="conflict-nlp", standalone_mode=False)
    except _UsageError as error:
        hint = " ".join(error.format_message().split()).rstrip(".")
        help = getattr(error.ctx, "command_path", "conflict-nlp")
        _note(f"{hint} (see {help} --help)")
        status = 2
    sys.exit(status)


if __name__ == "__main__":
    main()
