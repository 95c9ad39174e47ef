"""An interrupted run goes on, wherever it was cut, to the very bytes of a run in one piece."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conflict_nlp.calibration import Calibration
from conflict_nlp.formats import Article
from conflict_nlp.labels import LABELS
from conflict_nlp.predict import Tagger
from conflict_nlp.resume import remaining, written
from conflict_nlp.rows import (
    columns,
    flat_rows,
    nested_rows,
    summary_rows,
    tag,
    write_csv,
    write_jsonl,
)


class Checksums:
    """A classifier of equal results in every batch."""

    labels = LABELS

    def logits(self, texts, batch_size):
        sums = [zlib.crc32(text.encode("utf-8", "replace")) for text in texts]
        logits = np.array([[(s >> 8 * i & 255) / 40 - 3 for i in range(4)] for s in sums])
        return logits.reshape(len(texts), 4).astype(np.float32), np.zeros(len(texts), bool)


TAGGER = Tagger(Checksums(), Calibration.identity(LABELS))
WRAPPED = (
    "This paragraph was wrapped at sixty characters by an\neditor, and so the sentence goes on in "
    'the next\nline. It has three lines, or "more" of\nthem, and it ends here.\n'
).replace("the next\n", "the\nnext ")
# One id three times, no sentence, a title without text, quotes, line ends, all lengths of UTF-8.
ARTICLES = [
    Article("a.txt", None, "Rockets hit the base. Four died. Nobody knows."),
    Article("empty", None, " \n"),
    Article("a.txt", None, "\n"),
    Article('b"1",\n0,0,', "Title “here”", WRAPPED),
    Article("a.txt", None, "Rockets hit the base. Four died. Nobody knows."),
    Article("title only", "Только — 😀", ""),
    Article("title only", None, "Seven died. It rained."),
    Article("0", None, "0\n\n1,0\r2\r\n\r\n" + "\n".join(f"Line {i} ends." for i in range(13))),
    Article("a.txt", "The same again", "é\n\nü."),
    Article("last", None, "One. Two."),
]
KINDS = [("jsonl", False), ("csv", False), ("jsonl", True), ("csv", True)]


def write(articles, path, format, summary, offset=None):
    tagged = tag(TAGGER, articles)
    if summary:
        rows = summary_rows(tagged, LABELS)
    else:
        rows = (nested_rows if format == "jsonl" else flat_rows)(tagged)
    with path.open("w" if offset is None else "a", encoding="utf-8", newline="") as stream:
        if offset is not None:
            stream.truncate(offset)
        if format == "jsonl":
            write_jsonl(rows, stream)
        else:
            write_csv(rows, stream, columns(LABELS, summary=summary), header=not offset)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: f"{kind[0]}-{kind[1]}")
def finished(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("resume") / "out"
    write(ARTICLES, path, *request.param)
    return (*request.param, path, path.read_bytes())


def go_on(path, format, summary, articles=ARTICLES):
    done, offset = written(path, format, LABELS, summary=summary)
    assert offset <= path.stat().st_size
    write(remaining(articles, done, summary=summary), path, format, summary, offset)


@settings(max_examples=100)
@given(cuts=st.lists(st.integers(0), min_size=1, max_size=3))
def test_cut_at_any_byte_any_number_of_times(finished, cuts):
    format, summary, path, whole = finished
    path.write_bytes(whole)
    for cut in cuts:
        path.write_bytes(path.read_bytes()[: cut % (len(whole) + 1)])
        go_on(path, format, summary)
        assert path.read_bytes() == whole


def test_all_articles_but_the_last_are_kept(finished):
    format, summary, path, whole = finished
    counts = []
    for cut in [*range(0, len(whole), 61), len(whole)]:
        path.write_bytes(whole[:cut])
        done, offset = written(path, format, LABELS, summary=summary)
        assert offset <= cut
        counts.append(sum(done.values()))
    assert counts == sorted(counts)
    assert counts[-1] == len(ARTICLES) - (
        1 if summary else 4
    )  # two have no row, one's look like a title's


def test_new_articles_are_added_and_old_ones_kept(finished):
    format, summary, path, whole = finished
    path.write_bytes(whole)
    _, offset = written(path, format, LABELS, summary=summary)
    go_on(path, format, summary, [Article("new", None, "Something new."), *ARTICLES])
    kept = path.read_bytes()
    assert kept.startswith(whole[:offset]) and kept.endswith(whole[offset:])
    added = kept[offset : -len(whole[offset:])]
    assert b"Something new." in added and b"Two." not in added


def test_missing_and_empty_output_begins_anew(finished, tmp_path):
    format, summary, path, whole = finished
    path.write_bytes(b"")
    go_on(path, format, summary)
    assert path.read_bytes() == whole
    assert written(tmp_path / "none", format, LABELS, summary=summary) == ({}, 0)


@pytest.mark.parametrize(
    "other",
    [b"a note\n", b'{"article": "x"}\n', b'"article","index"\n1,2\n', b'{"mine": "no line end"}'],
)
def test_other_files_are_refused(finished, other):
    format, summary, path, _ = finished
    path.write_bytes(other)
    with pytest.raises(ValueError, match="line"):
        written(path, format, LABELS, summary=summary)


def test_output_of_another_kind_is_refused(finished):
    format, summary, path, whole = finished
    path.write_bytes(whole)
    with pytest.raises(ValueError, match="line"):
        written(path, format, LABELS, summary=not summary)
    with pytest.raises(ValueError, match="line"):
        written(path, format, ("other", "labels"), summary=summary)


def test_damage_in_the_middle_is_refused(finished):
    format, summary, path, whole = finished
    lines = whole.split(b"\n")
    path.write_bytes(b"\n".join([*lines[:2], b"damage", *lines[2:]]))
    with pytest.raises(ValueError, match="no row of this output"):
        written(path, format, LABELS, summary=summary)
