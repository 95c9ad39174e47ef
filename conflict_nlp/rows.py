"""Rows out: tagged sentences, or one summary an article, as JSON lines, CSV or parquet.

Columns of a sentence: article, index, start, end, text, for each label its name (0 or 1) and
``<label>_score``, uncertain, truncated, and what is kept of the article. JSON lines hold
`TaggedSentence.to_dict` between article and index and what is kept. A title stands before the
sentences of its text, with index -1, start 0 and end 0.

Columns of a summary: article, title, sentences; for each label its name (how many sentences have
it), ``<label>_share`` (of all sentences, 0..1), ``<label>_expected`` (the sum of the scores, which
is how many have it as far as these are true) and ``<label>_first`` (the first such sentence); then
what is kept of the article. The title is not counted.
"""

from __future__ import annotations

import csv
import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, TextIO

from conflict_nlp.columns import Article
from conflict_nlp.context import parts
from conflict_nlp.results import Prediction, TaggedArticle, TaggedSentence, placed
from conflict_nlp.sentences import Sentence, replace_surrogates, split_sentences, storable

if TYPE_CHECKING:
    from conflict_nlp.predict import Tagger

Row = dict[str, Any]
_ROW_GROUP = 4096


class Tagged(NamedTuple):
    """An article on its way out; `sentences` can be read once, before the next article is."""

    article: Article
    headline: Prediction | None
    sentences: Iterator[TaggedSentence]


def tag(
    tagger: Tagger, articles: Iterable[Article], thresholds: Mapping[str, float] | None = None
) -> Iterator[Tagged]:
    """Tag a stream of articles; memory does not grow with their number."""
    split: deque[tuple[Article, list[Sentence]]] = deque()

    def pieces() -> Iterator[Sequence[str]]:
        for article in articles:
            spans = split_sentences(article.text)
            split.append((article, spans))
            title = [] if article.title is None else [article.title]
            # The parts of a long article come out as soon as they are tagged.
            yield from parts([*title, *(span.text for span in spans)])

    # One stream through all articles, as the model is fastest on many sentences at a time.
    stream = chain.from_iterable(tagger.predict_articles(pieces(), thresholds=thresholds))
    predictions: Iterator[Prediction] = stream
    while True:
        if not split:
            first = list(islice(stream, 1))  # reads on, and so fills `split`
            predictions = chain(first, stream)
            if not split:
                return
        article, spans = split.popleft()
        headline = None if article.title is None else next(predictions)
        sentences = placed(predictions, spans)
        yield Tagged(article, headline, sentences)
        deque(sentences, maxlen=0)


def whole_articles(tagged: Iterable[Tagged]) -> Iterator[tuple[str, TaggedArticle]]:
    """Yield each article's id and the article, as `conflict_nlp.report.html_page` takes them."""
    for article, headline, sentences in tagged:
        yield (
            article.id,
            TaggedArticle(article.text, tuple(sentences), article.title, headline),
        )


def columns(labels: Sequence[str], *, summary: bool = False, kept: Sequence[str] = ()) -> list[str]:
    """Return the names of the columns of `flat_rows`, or of `summary_rows`.

    Raises
    ------
    ValueError
        If a column that is kept has the name of another, of these or of `nested_rows`.
    """
    sentence = TaggedSentence("", (), dict.fromkeys(labels, 0.0), start=0, end=0)
    nothing = Article("", None, "")
    if summary:
        (row,) = summary_rows([Tagged(nothing, None, iter(()))], labels)
    else:
        row = _flat(nothing, 0, sentence)
    for name in kept:
        if name in row or (not summary and name in sentence.to_dict()):
            raise ValueError(f"the output has a column {name!r} of its own: rename yours")
    return [*row, *kept]


def nested_rows(tagged: Iterable[Tagged]) -> Iterator[Row]:
    """Yield the JSON line of each sentence."""
    for article, index, sentence in _numbered(tagged):
        yield {"article": article.id, "index": index, **sentence.to_dict(), **article.kept}


def flat_rows(tagged: Iterable[Tagged]) -> Iterator[Row]:
    """Yield the table row of each sentence."""
    for article, index, sentence in _numbered(tagged):
        yield _flat(article, index, sentence)


def _numbered(tagged: Iterable[Tagged]) -> Iterator[tuple[Article, int, TaggedSentence]]:
    for article, headline, sentences in tagged:
        if headline is not None:
            yield article, -1, TaggedSentence.of_title(headline)
        for index, sentence in enumerate(sentences):
            yield article, index, sentence


def _flat(article: Article, index: int, sentence: TaggedSentence) -> Row:
    return {"article": article.id, **sentence.to_record(index), **article.kept}


def summary_rows(tagged: Iterable[Tagged], labels: Sequence[str]) -> Iterator[Row]:
    """Yield one row an article; share is None where it has no sentences, first where none."""
    for article, _, sentences in tagged:
        total = 0
        counts: Counter[str] = Counter()
        expected = dict.fromkeys(labels, 0.0)
        first: dict[str, str] = {}
        for sentence in sentences:
            total += 1
            counts.update(sentence.labels)
            for label in labels:
                expected[label] += sentence.scores[label]
            for label in sentence.labels:
                first.setdefault(label, sentence.text)
        row: Row = {"article": article.id, "title": article.title, "sentences": total}
        for label in labels:
            row[label] = counts[label]
            row[f"{label}_share"] = counts[label] / total if total else None
            row[f"{label}_expected"] = expected[label]
            row[f"{label}_first"] = first.get(label)
        yield {**row, **article.kept}


def write_jsonl(rows: Iterable[Row], stream: TextIO) -> None:
    """Write each row as soon as it comes."""
    for row in rows:
        # ASCII with JSON's own escapes, which carry lone surrogates too.
        stream.write(json.dumps(row) + "\n")
        stream.flush()


def write_csv(
    rows: Iterable[Row],
    stream: TextIO,
    names: Sequence[str],
    *,
    kept: Sequence[str] = (),
    header: bool = True,
) -> None:
    """Write each row as soon as it comes; numbers that are not `kept` get 4 decimals.

    Lone surrogates and NUL characters, which readers of CSV stumble over, become U+FFFD.
    """
    # All text is quoted: whether a lone carriage return needs quotes, versions of csv differ on.
    writer = csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    if header:
        writer.writerow(names)
        stream.flush()
    for row in rows:
        writer.writerow([_csv_value(row[name], rounded=name not in kept) for name in names])
        stream.flush()


def _csv_value(value: Any, *, rounded: bool) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, float):
        return round(value, 4) if rounded else value
    return int(value) if isinstance(value, bool) else value


def write_parquet(
    rows: Iterable[Row], stream: BinaryIO, names: Sequence[str], *, kept: Sequence[str] = ()
) -> None:
    """Write row groups of 4,096 rows; lone surrogates become U+FFFD.

    The columns `kept` of the articles are written as text, as not each row need have them alike.

    Raises
    ------
    ImportError
        If pyarrow is not installed; names the extra that brings it.
    """
    try:
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter
    except ImportError:
        raise ImportError('parquet needs pyarrow: pip install "conflict-nlp[files]"') from None
    types = {"article": pa.string(), "text": pa.string(), "title": pa.string()}
    types |= {"uncertain": pa.bool_(), "truncated": pa.bool_()}
    own = {*names} - {*kept}
    for label in own:  # which other columns tell of a label, tells that it is one
        if {f"{label}_score", f"{label}_share"} & own:
            ends = {"_score": pa.float64(), "_share": pa.float64(), "_expected": pa.float64()}
            ends |= {"_first": pa.string(), "": pa.int64()}
            types |= {label + end: kind for end, kind in ends.items()}
    types |= dict.fromkeys(kept, pa.string())
    schema = pa.schema([(name, types.get(name, pa.int64())) for name in names])
    rows = iter(rows)
    with ParquetWriter(stream, schema) as writer:
        while group := list(islice(rows, _ROW_GROUP)):
            for row in group:
                row |= {name: str(row[name]) for name in kept if row[name] is not None}
            clean = [
                {k: replace_surrogates(v) if isinstance(v, str) else v for k, v in row.items()}
                for row in group
            ]
            writer.write_table(pa.Table.from_pylist(clean, schema=schema))
