"""Where ``conflict-nlp tag`` writes: its formats, and the file or stream that takes them."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conflict_nlp.kinds import META, is_read

if TYPE_CHECKING:  # what takes long to import is imported where it is used
    from conflict_nlp.formats import Reader
    from conflict_nlp.predict import Tagger
    from conflict_nlp.resume import Key


class Format(str, Enum):
    """Output formats."""

    table = "table"
    jsonl = "jsonl"
    csv = "csv"
    parquet = "parquet"
    html = "html"


class OutputError(Exception):
    """The output cannot be opened or gone on with; the message names it."""


def write(
    reader: Reader,
    tagger: Tagger,
    thresholds: Mapping[str, float],
    format: Format,
    output: Path | None,
    *,
    summary: bool = False,
    resume: bool = False,
    explain: bool = False,
    note: Callable[[str], object] = print,
) -> None:
    """Tag all that the reader reads, and write it to `output`, or to standard output for None.

    Where not one article could be read, an `output` that exists stays as it is.

    Beside an `output` of jsonl, csv or parquet, ``OUTPUT.meta.json`` tells what made it: the
    `Tagger.info`, the thresholds in force among it, and what the rows are.

    Parameters
    ----------
    reader
        The articles.
    tagger, thresholds
        The model; thresholds as `Tagger.predict` takes them.
    format, output
        What to write, and where.
    summary
        One row an article; not for html.
    resume
        Go on with an `output` that was interrupted (jsonl or csv).
    explain
        Underline the words that carried the labels (html).
    note
        Called with a line on what is resumed, and if there is nothing to tag.

    Raises
    ------
    ImportError
        If a format needs a package that is not installed.
    OSError
        If writing fails.
    OutputError
        If the file cannot be opened, is not what `resume` could go on with, or a column to keep
        has the name of one of the output.
    """
    from conflict_nlp import rows
    from conflict_nlp.terminal import watched

    try:
        names = rows.columns(tagger.labels, summary=summary, kept=reader.kept)
    except ValueError as error:
        raise OutputError(f"--keep: {error}") from None
    articles = iter(reader)
    offset = 0
    done: Counter[Key] = Counter()
    made_by = tagger.info
    made_by["thresholds"] |= {label: round(value, 5) for label, value in thresholds.items()}
    made_by |= {"rows": "articles" if summary else "sentences", "keep": list(reader.kept)}
    if resume and output is not None:
        from conflict_nlp.resume import remaining, written

        try:
            if output.exists():
                _check_same(output, made_by, note)
            done, offset = written(
                output, format.value, tagger.labels, summary=summary, kept=reader.kept
            )
            count = done.total()
            articles = remaining(articles, done, summary=summary)
        except ValueError as error:
            raise OutputError(f"--resume cannot go on with {output}: {error}") from None
        note(f"{output} holds {count} articles; going on")
    first = list(islice(articles, 1))
    if not first:
        exists = output is not None and output.is_file() and output.stat().st_size
        note("no articles to tag" + (f"; {output} stays as it is" if exists else ""))
        if exists:
            return
    tagged = rows.tag(tagger, chain(first, articles), thresholds)
    with _opened(output, format, offset if resume else None) as stream:
        if format is Format.table:
            from conflict_nlp import terminal

            show = terminal.print_summaries if summary else terminal.print_sentences
            show(tagged, tagger.labels, stream)
            return
        if format is Format.html:
            from conflict_nlp.explain import carrying_words
            from conflict_nlp.report import html_page
            from conflict_nlp.results import Words

            whole, words = [], Words()
            explain_once = cache(tagger.explain)  # boilerplate repeats
            for name, article in watched(rows.whole_articles(tagged), reader, output):
                whole.append((name, article))
                if explain:
                    for sentence, carried in carrying_words(explain_once, article).items():
                        words.setdefault(sentence, {}).update(carried)
            stream.write(html_page(whole, words=words))
            return
        if format is not Format.parquet:  # which appears only when it is whole
            _write_meta(output, made_by, note)
        if summary:
            made = rows.summary_rows(tagged, tagger.labels)
        else:
            made = (rows.nested_rows if format is Format.jsonl else rows.flat_rows)(tagged)
        made = watched(made, reader, output)
        if format is Format.jsonl:
            rows.write_jsonl(made, stream)
        elif format is Format.csv:
            rows.write_csv(made, stream, names, kept=reader.kept, header=offset == 0)
        else:
            rows.write_parquet(made, stream, names, kept=reader.kept)
    if format is Format.parquet:
        _write_meta(output, made_by, note)
    if left := done.total():
        note(f"{output} holds {left} articles that are not among those read now")


def may_hold_articles(output: Path, names: Sequence[str]) -> bool:
    """Tell whether writing to `output` could lose what is to be read with its folder."""
    from conflict_nlp.columns import OWN
    from conflict_nlp.formats import Reader

    folders = {Path(name).resolve() for name in names}
    is_within = bool(folders & {*output.resolve().parents}) and is_read(output.name)
    if not output.is_file() or not is_within or not output.stat().st_size:
        return False
    reader = Reader([output], note=lambda line: None)
    return any(True for _ in reader) or not any(OWN in problem for problem in reader.problems)


def _is_file(output: Path) -> bool:
    """Tell what is a file, or will be one, from a pipe or the like."""
    return output.is_file() or not os.path.lexists(output)


def _meta(output: Path) -> Path:
    target = output.resolve()  # /dev/stdout is a link to a file, or to none
    return target.with_name(target.name + META)


def _write_meta(
    output: Path | None, made_by: Mapping[str, Any], note: Callable[[str], object]
) -> None:
    if output is not None and _is_file(output):
        try:
            _meta(output).write_text(json.dumps(made_by, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            note(
                f"{_meta(output)}, which tells what made {output}, is not written: {error.strerror}"
            )


def _check_same(output: Path, made_by: Mapping[str, Any], note: Callable[[str], object]) -> None:
    """Raise ValueError if another model, or other thresholds, made the output."""
    try:
        before = json.loads(_meta(output).read_text(encoding="utf-8"))
        differ = [key for key, value in made_by.items() if before.get(key) != value]
    except (OSError, ValueError, AttributeError):
        note(f"{_meta(output)} does not tell what made {output}: it is taken to be the same model")
        return
    if differ:
        told = ", ".join(f"{key} {before.get(key)!r}, not {made_by[key]!r}" for key in differ)
        raise ValueError(f"it was made with {told}: take these again, or a new --output")


@contextmanager
def _opened(output: Path | None, format: Format, offset: int | None) -> Iterator[Any]:
    """Open the output, cut it at `offset`; a page or parquet file appears only when whole."""
    if output is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            if format is Format.table:
                sys.stdout.reconfigure(errors="replace")  # a terminal may lack letters
            else:
                sys.stdout.reconfigure(encoding="utf-8", newline="\n")
        yield sys.stdout
        sys.stdout.flush()
        return
    at_once = format in (Format.parquet, Format.html) and _is_file(output)
    options: dict[str, Any] = {"encoding": "utf-8", "newline": ""}
    path = target = output
    try:
        if at_once:
            target = output.resolve()  # a link stays one
            path = target.with_name(f".{target.name}.{os.getpid()}.part")
        if format is Format.parquet:
            stream: Any = path.open("wb")
        else:
            stream = path.open("w" if offset is None else "a", **options)
    except OSError as error:
        raise OutputError(f"cannot write {output}: {error.strerror}") from None
    try:
        with stream:
            if at_once:
                with suppress(OSError):  # there is no old one, or no modes here
                    shutil.copymode(target, path)
            if offset is not None:
                stream.truncate(offset)
            yield stream
        if at_once:
            path.replace(target)
    finally:
        if at_once:
            path.unlink(missing_ok=True)
