"""Fuzz what reads text and files from outside.

    python -m pip install atheris
    python tests/fuzz/fuzz_input.py -max_total_time=1800 -rss_limit_mb=4096 CORPUS_FOLDER

Each input's first byte chooses the kind of file, the rest is its content. Whatever the bytes are,
a reader either yields articles or lists a problem, offsets are exact, and rows survive writing.
"""

import io
import json
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["conflict_nlp"]):
    from conflict_nlp import rows
    from conflict_nlp.formats import Reader
    from conflict_nlp.predict import Prediction, TaggedArticle, TaggedSentence
    from conflict_nlp.sentences import split_sentences

SUFFIXES = [".txt", ".csv", ".tsv", ".jsonl", ".csv.gz", ".jsonl.gz", "", ".html", ".parquet"]
SUFFIXES += [".json"]
KEPT = [(), ("date", "n")]
FOLDER = Path(tempfile.mkdtemp())
SCORES = {"attack_event": 0.25}


def check_sentences(text: str) -> None:
    end = 0
    for sentence in split_sentences(text):
        assert end <= sentence.start < sentence.end
        assert text[sentence.start : sentence.end] == sentence.text
        assert sentence.text.strip()
        end = sentence.end


def check_rows(identity: str, title: str | None, text: str, kept: dict[str, object]) -> None:
    sentences = tuple(
        TaggedSentence(s.text, (), SCORES, start=s.start, end=s.end) for s in split_sentences(text)
    )
    headline = None if title is None else Prediction(title, (), SCORES)
    article = TaggedArticle(text, sentences, title, headline)
    lines = io.StringIO()
    rows.write_jsonl(article.to_records(), lines)
    titles = [] if title is None else [title]
    assert [json.loads(line)["text"] for line in lines.getvalue().splitlines()] == [
        *titles,
        *(s.text for s in sentences),
    ]
    json.dumps(kept, allow_nan=False)
    article.to_html()
    assert "\0" not in identity


def test_one_input(data: bytes) -> None:
    if not data:
        return
    suffix = SUFFIXES[data[0] % len(SUFFIXES)]
    keep = KEPT[data[0] // len(SUFFIXES) % 2]
    path = FOLDER / f"input{suffix}"
    path.write_bytes(data[1:])
    reader = Reader([path], keep=keep, note=lambda line: None, expects_english=True)
    articles = list(reader)
    if suffix == ".txt":
        assert articles or reader.problem_count
    for article in articles:
        check_sentences(article.text)
        check_rows(*article)


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
