"""The command line: ``conflict-nlp tag``, ``review``, ``app`` and ``models``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from conflict_nlp import __version__
from conflict_nlp.output import Format, OutputError, may_hold_articles, write

if TYPE_CHECKING:  # what takes long to import is imported where it is used
    from conflict_nlp.formats import Reader
    from conflict_nlp.predict import Tagger

app = typer.Typer(
    help="Tag every sentence of English news articles on armed conflict.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
# typer names no common class of the errors of usage, whose home differs between its versions.
_UsageError: type[Any] = typer.BadParameter.__bases__[0]


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


Files = Annotated[list[str] | None, typer.Argument(metavar="FILE", hidden=True)]
Model = Annotated[str, _option("MODEL", "Name of a shipped model, or a folder.")]
Trust = Annotated[bool, typer.Option("--trust", help="The --model folder may run code.")]
TextColumn = Annotated[str | None, _option("NAME", "Column of the text in tables.")]
TitleColumn = Annotated[str | None, _option("NAME", "Column of the title in tables.")]
IdColumn = Annotated[str | None, _option("NAME", "Column that names the article.")]
Keep = Annotated[
    list[str] | None, _option("NAME", "Column to keep in the output, such as the date.")
]


@app.command(epilog="Example: conflict-nlp tag news/ --summary --output news.csv")
def tag(
    files: Files = None,
    format: Annotated[
        Format | None,
        typer.Option(metavar="FORMAT", help="table, jsonl, csv, parquet or html."),
    ] = None,
    output: Annotated[Path | None, _option("FILE", "Write here; its end tells the format.")] = None,
    model: Model = "default",
    trust: Trust = False,
    threshold: Annotated[
        list[str] | None, _option("LABEL=VALUE", "Score from which a label is given.")
    ] = None,
    text_column: TextColumn = None,
    title_column: TitleColumn = None,
    id_column: IdColumn = None,
    keep: Keep = None,
    summary: Annotated[bool, typer.Option("--summary", help="One row an article.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="html: underline what carried a label; slow.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an --output that was interrupted.")
    ] = False,
) -> None:
    """Tag each sentence of articles in English.

    FILE is a file or folder; - or none is standard input. Read are text, HTML,
    JSON, JSON lines, CSV and parquet, plain or with gzip.
    """
    chosen = _format(format, output, summary, resume, explain)
    if keep and chosen in (Format.html, Format.table):
        _fail("--keep needs csv, jsonl or parquet", 2)
    can_resume = output is not None and chosen in (Format.jsonl, Format.csv)
    columns = (text_column, title_column, id_column, keep)
    with _reading(files, columns, output, model, trust, can_resume, resume) as (reader, tagger):
        limits = _thresholds(threshold or [], tagger)
        write(
            *(reader, tagger, limits, chosen, output),
            summary=summary,
            resume=resume,
            explain=explain,
            note=_note,
        )


@app.command(epilog="Example: conflict-nlp review news/ --out sheet.csv --limit 50")
def review(
    out: Annotated[
        Path, typer.Option("--out", "--output", metavar="FILE", help="Write here, to a new file.")
    ],
    files: Files = None,
    format: Annotated[
        str | None, _option("FORMAT", "csv, label-studio (.json) or doccano (.jsonl).")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="Sentences at most.")] = 100,
    model: Model = "default",
    trust: Trust = False,
    text_column: TextColumn = None,
    title_column: TitleColumn = None,
    id_column: IdColumn = None,
) -> None:
    """Write a sheet of the sentences most worth a look.

    Uncertain ones come first, near-duplicates once; labels and articles take
    turns. FILE is as for tag. Correct the 0 and 1 in the sheet, then train on
    it (docs/improving.md).
    """
    from conflict_nlp import review, rows
    from conflict_nlp.terminal import watched

    ends = {".csv": "csv", ".json": "label-studio", ".jsonl": "doccano", "": "csv"}
    format = format or ends.get(out.suffix.lower())
    if out == Path("-"):
        _fail("--out - names no file: give a name that ends in .csv, .json or .jsonl", 2)
    if os.path.lexists(out):
        _fail(f"--out {out} exists: take a new name, for corrections may stand in it", 2)
    if format is None:
        _fail(f"--out {out}: its end tells no format; give --format, or .csv, .json or .jsonl", 2)
    if format not in review.FORMATS:
        _fail(f"--format {format}: known are {', '.join(review.FORMATS)}", 2)
    if not os.path.isdir(out.parent):  # noqa: PTH112 (where access is denied, is_dir raises)
        _fail(f"cannot write {out}: no folder {out.parent}", 2)
    if not os.access(out.parent, os.W_OK):
        _fail(f"cannot write {out}: the folder {out.parent} may not be written to", 2)
    columns = (text_column, title_column, id_column, None)
    with _reading(files, columns, out, model, trust) as (reader, tagger):
        tagged = watched(rows.whole_articles(rows.tag(tagger, reader)), reader, out)
        first = list(islice(tagged, 1))
        if not first:
            _note(f"no articles to tag; {out} is not written")
            return
        tagged = chain(first, tagged)
        count = review.write_sheet(tagged, tagger.thresholds, out, format=format, count=limit)
        _note(f"{out}: {count} sentences to look at")


@app.command(epilog="Example: conflict-nlp models")
def models() -> None:
    """List the shipped models, their size and scores."""
    from conflict_nlp.terminal import print_models

    if sys.stdout is None:
        _fail("standard output is closed", 2)
    if damaged := print_models(sys.stdout):
        _fail("; ".join(damaged), 1)


@app.command("app", epilog="Example: conflict-nlp app --model baseline")
def serve(
    model: Model = "default",
    trust: Trust = False,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Listen here.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="Port.")] = 7860,
) -> None:
    """Open a page to try it in a browser.

    It needs: pip install "conflict-nlp[app]". Only this computer can reach it,
    unless --host says otherwise.
    """
    try:
        from conflict_nlp.app import build, running

        with suppress(KeyboardInterrupt), running(build(model, trust), host, port) as address:
            print(f"conflict-nlp: open {address} in a browser; Ctrl-C ends it", flush=True)
            while True:  # on Windows nothing interrupts a wait without an end
                time.sleep(3600)
    except (ImportError, OSError) as error:
        _fail(str(error), 2)


@contextmanager
def _reading(
    files: list[str] | None,
    columns: tuple[str | None, str | None, str | None, list[str] | None],
    output: Path | None,
    model: str,
    trust: bool,
    can_resume: bool = False,
    resumes: bool = False,
) -> Iterator[tuple[Reader, Tagger]]:
    """Give the articles and the tagger; what goes wrong is told in a line, and ends the program."""
    names = files or ["-"]
    if names.count("-") > 1:
        _fail("standard input (-) can be read only once", 2)
    if (sys.stdin is None and "-" in names) or (sys.stdout is None and output is None):
        _fail("standard input or output is closed", 2)
    if not any(name == "-" or os.path.lexists(name) for name in names):
        _fail(f"no such file or folder: {', '.join(names)}", 2)
    from conflict_nlp.formats import Reader, is_same
    from conflict_nlp.store import ModelError, shipped_models

    reader = None
    try:
        written = _descriptor(sys.stdout) if output is None else output
        if written is not None and any(is_same(name, written) for name in names if name != "-"):
            _fail(f"{output or 'standard output'} is one of the files to read", 2)
        if output is not None and not resumes and may_hold_articles(output, names):
            _fail(
                f"--output {output} exists in a folder to be read, and is not known as output of "
                "this program: take another name, or remove it",
                2,
            )
        tagger = _load(model, trust)
        # A folder may hold a model of any language.
        is_english = tagger.info["model"] in shipped_models()
        text, title, id, keep = columns
        reader = Reader(
            names,
            text_column=text,
            title_column=title,
            id_column=id,
            keep=keep or (),
            leave_out=written,
            note=_note,
            expects_english=is_english,
        )
        if "-" in names and sys.stdin.isatty():
            _note("reading standard input; Ctrl-D ends it")
        yield reader, tagger
    except KeyboardInterrupt:
        _report(reader)
        _fail("interrupted" + "; the same with --resume goes on" * can_resume, 130)
    except BrokenPipeError:  # whoever reads the output wants no more of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except ModelError as error:
        _report(reader)
        _fail(str(error), 1)
    except OSError as error:  # not from reading: the reader takes its own
        _report(reader)
        _fail(f"cannot write {output or 'the output'}: {error.strerror or error}", 1)
    except (ImportError, OutputError) as error:  # an extra that is missing
        _fail(str(error), 2)
    if reader.problem_count:
        _report(reader)
        raise typer.Exit(1)


def _format(
    format: Format | None, output: Path | None, summary: bool, resume: bool, explain: bool
) -> Format:
    if output is not None and os.path.isdir(output):  # noqa: PTH112
        _fail(f"--output {output} is a folder: name a file", 2)
    if output == Path("-"):
        _fail("--output - names no file: leave it out for standard output", 2)
    if output is not None and output.suffix == ".gz":
        _fail(f"--output {output}: output is not compressed, leave out .gz", 2)
    if format is None:
        ends = {f".{each.value}": each for each in Format if each is not Format.table}
        ends |= {".htm": Format.html, ".ndjson": Format.jsonl, "": Format.jsonl}
        if output is not None:
            format = ends.get(output.suffix.lower())
        elif sys.stdout is not None and sys.stdout.isatty():
            format = Format.table
        else:
            format = Format.jsonl
    if format is None:
        _fail(f"--output {output}: its end tells no format; give --format, or {' '.join(ends)}", 2)
    if format is Format.parquet and output is None:
        _fail("--format parquet needs --output FILE", 2)
    if format is Format.html and summary:
        _fail("--summary has no html form: take table, jsonl, csv or parquet", 2)
    if explain and format is not Format.html:
        _fail("--explain needs html: --format html, or an --output that ends in .html", 2)
    if resume and (output is None or format not in (Format.jsonl, Format.csv)):
        _fail("--resume needs --output FILE with --format jsonl or csv", 2)
    return format


def _descriptor(stream: Any) -> int | None:
    try:
        return int(stream.fileno())
    except (AttributeError, OSError):  # a stream that is no file
        return None


def _load(model: str, trust: bool) -> Tagger:
    from conflict_nlp.predict import Tagger
    from conflict_nlp.store import ModelError

    try:
        return Tagger.from_pretrained(model, trust=trust)
    except (ModelError, ImportError) as error:
        _fail(str(error), 2)


def _thresholds(given: list[str], tagger: Tagger) -> dict[str, float]:
    thresholds = {}
    for item in given:
        label, equals, value = item.partition("=")
        if not equals:
            _fail(f"--threshold takes LABEL=VALUE, not {item!r}", 2)
        try:
            thresholds[label] = float(value)
        except ValueError:
            _fail(f"--threshold {label}: {value!r} is not a number", 2)
    try:
        tagger.predict_iter([], thresholds=thresholds)
    except ValueError as error:
        _fail(f"--threshold: {error}", 2)
    return thresholds


def _note(message: str) -> None:
    if sys.stderr is not None:  # else print would take standard output
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
        given = sys.argv[1:] if arguments is None else arguments
        # Only for arguments of the process, None, are wildcards expanded on Windows.
        status = app(
            arguments if given else ["--help"], prog_name="conflict-nlp", standalone_mode=False
        )
    except _UsageError as error:
        hint = " ".join(error.format_message().split()).rstrip(".")
        help = getattr(error.ctx, "command_path", "conflict-nlp")
        _note(f"{hint} (see {help} --help)")
        status = 2
    sys.exit(status)


if __name__ == "__main__":
    main()
