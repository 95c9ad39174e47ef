"""Text to sentences, with exact offsets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby, pairwise
from typing import NamedTuple

import sentencex

from conflict_nlp.stops import marked

LINE_END = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029](?:(?<=\r)\n)?")
# Before lines of a mail that answers.
_QUOTED = re.compile(r"(?:>+(?:[ \t]+(?![ \t\d])|$))*")
_INNER_END = re.compile(rf"(?:{LINE_END.pattern}){_QUOTED.pattern}")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_SENTENCE_END = re.compile(r"[.!?…][\"”’')\]]*(?:\s|$)")
_HYPHEN = re.compile(r"(?<=[a-z])[-\u2010\xad][ \t]*(?:\r\n|\n|\r)[ \t]*(?=[a-z])")
# A sentence in brackets, behind which sentencex sees no end.
_ASIDE = re.compile(r"[(\[][^()\[\]]*[.!?…][\"”’']*[)\]](?=\s+[\"“‘(\[]?[A-Z])")
# No headline ends with such a word.
_GOES_ON = re.compile(
    r"\b(?:an?|and|are|as|at|but|by|for|from|had|has|have|his|in|into|is|its|of|on|or|that|the"
    r"|their|to|was|were|which|who|with)$"
)
# Which a line may begin with: a byline, a name.
_NEW_LINE = re.compile(r"by$|(?:al|ar|as|ash|at|an|el)-")
_TERMINAL = tuple(".!?…:;\"”'’)]")
_QUOTES = re.compile('["“”„«»‘’]')
_LONGEST_WRAPPED_LINE = 130
_BRIEF = 4  # lines
_LONGEST_QUOTATION = 500  # characters; models read 128 tokens
_CHUNK = 100_000
# What a reader sees as empty: white space, byte order marks, zero-width and direction marks, NUL.
_INVISIBLE = (
    " \t\r\n\v\f\x00\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000"
    + "".join(
        map(chr, [*range(0x2000, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2065), 0xFEFF])
    )
)


def is_blank(text: str) -> bool:
    """Tell whether a reader would see nothing of a text."""
    return not text.strip(_INVISIBLE)


class Sentence(NamedTuple):
    """A sentence and where it stands: ``source[start:end] == text``."""

    text: str
    start: int
    end: int


def replace_surrogates(text: str) -> str:
    """Put U+FFFD for lone surrogates, which have no UTF-8 form; the length stays the same."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def storable(text: str) -> str:
    """Put U+FFFD for lone surrogates and NUL, over which readers of files and pages stumble."""
    return replace_surrogates(text).replace("\0", "\ufffd")


def unhyphenated(text: str) -> str:
    """Join words that were cut in two at the end of a line, as text from PDF files has them."""
    return _HYPHEN.sub("", text) if "\n" in text or "\r" in text else text


def split_sentences(text: str) -> list[Sentence]:
    """Split English text into sentences, paragraph by paragraph.

    A line end closes a paragraph, so that headlines and bylines stand alone, unless the text is
    hard-wrapped (few lines of over 130 characters, lines that break within a sentence where the
    next word would not have fitted). Within a paragraph, `sentencex` splits; it keeps a
    quotation whole, which is split too if that makes more than 500 characters.

    Parameters
    ----------
    text
        Any string; also with control characters, lone surrogates or no letters at all.

    Returns
    -------
    list of Sentence
        In order, without overlap, no one empty or blank; ``text[s.start:s.end] == s.text`` for
        each. What lies between them is white space, invisible characters, and the ``>`` before
        quoted lines of a mail.

    Raises
    ------
    TypeError
        If `text` is not a string.
    """
    if not isinstance(text, str):
        raise TypeError(f"text must be a string, not {type(text).__name__}")
    clean = replace_surrogates(text)
    found = []
    for start, end in _paragraphs(clean):
        for first, last in _pieces(clean, start, end):
            piece = clean[first:last]
            first += len(piece) - len(piece.lstrip(_INVISIBLE))
            last -= len(piece) - len(piece.rstrip(_INVISIBLE))
            if first < last:
                found.append(Sentence(text[first:last], first, last))
    return found


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the spans that sentencex makes of one paragraph.

    It reads at most `_CHUNK` characters at a time: where quotes do not close, its time grows
    faster than the length.
    """
    while start < end:
        stop = end
        if end - start > _CHUNK:
            space = text.rfind(" ", start + 1, start + _CHUNK)
            stop = space + 1 if space > 0 else start + _CHUNK
        # An inner line end is one space to the splitter, or it would cut wrapped lines.
        paragraph = _INNER_END.sub(lambda found: " " * len(found[0]), text[start:stop])
        spans = _boundaries(paragraph)
        if stop < end and len(spans) > 1:
            stop = start + spans.pop()[0]  # the last sentence may go on past the cut
        for first, last in spans:
            inner = [(0, last - first)]
            if last - first > _LONGEST_QUOTATION:
                inner = _boundaries(_QUOTES.sub(" ", paragraph[first:last]))
            for a, b in inner:
                shown = paragraph[first + a : first + b].rstrip(" ")
                blanks = len(shown) - len(shown.lstrip(" "))
                yield start + first + a + blanks, start + first + a + len(shown)
        start = stop


def _boundaries(paragraph: str) -> list[tuple[int, int]]:
    found = sentencex.get_sentence_boundaries("en", marked(paragraph))
    spans = []
    for each in found:
        start = each["start_index"]
        while aside := _ASIDE.match(paragraph, start, each["end_index"]):
            spans.append((start, aside.end()))
            start = aside.end() + 1
        spans.append((start, each["end_index"]))
    return spans


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    lines = []
    start = 0
    for line_end in LINE_END.finditer(text):
        lines.append((start, line_end.start()))
        start = line_end.end()
    lines.append((start, len(text)))
    joins = _wrapped_lines([text[a:b] for a, b in lines])
    opened = None
    for (first, last), joined in zip(lines, joins):
        if opened is None:
            mark = _QUOTED.match(text, first, last)
            opened = mark.end() if mark else first
        if not joined:
            yield opened, last
            opened = None


def _wrapped_lines(lines: list[str]) -> list[bool]:
    """Tell for each line whether its sentence goes on in the next line."""
    joins = [False] * len(lines)
    lines = [line[_QUOTED.match(line).end() :] for line in lines]  # type: ignore[union-attr]
    is_short = [len(line) <= _LONGEST_WRAPPED_LINE for line in lines]
    filled = [short for line, short in zip(lines, is_short) if line.strip()]
    # A title or an address, longer than all others or alone, says nothing of their width.
    beside = [(a, b) for a, b in pairwise(lines) if a.strip() and b.strip()]
    widths = sorted(max(len(a), len(b)) for a, b in beside)
    widths = [each for each in widths if each <= _LONGEST_WRAPPED_LINE]
    width = widths[-2:][0] if widths else 0
    if not width or 4 * filled.count(False) > len(filled):
        return joins
    is_short = [len(line) <= width * 1.1 for line in lines]
    is_prose: list[bool] = []  # whether sentences end in what stands together
    for _, block in groupby(lines, key=lambda line: not line.strip()):
        together = list(block)
        is_prose += [any(map(_SENTENCE_END.search, together))] * len(together)
    within = between = 0
    for i, (line, following) in enumerate(pairwise(map(str.rstrip, lines))):
        word = following.split(maxsplit=1)
        if line and word and is_short[i] and is_short[i + 1]:
            joins[i] = len(line) + 1 + len(word[0]) > width * 0.95
            if joins[i] and is_prose[i] and not line.endswith(_TERMINAL):
                goes_on = word[0].islower() and not _NEW_LINE.match(word[0])
                goes_on |= line.isupper() and word[0].isupper()
                goes_on |= bool(_GOES_ON.search(line, max(0, len(line) - 9)))
                within, between = within + goes_on, between + (not goes_on)
    # Headlines of like length, one a line, break between sentences; in prose some lines go on with
    # a name or a number. Of a brief few lines can tell.
    is_brief = len(filled) <= _BRIEF and "".join(lines).rstrip().endswith(_TERMINAL)
    enough = within >= (1 if is_brief else 2) and 2 * within >= between
    return joins if enough else [False] * len(lines)
