"""Tagged articles as one HTML page: to read, to filter by label, to print, to send on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from itertools import cycle
from pathlib import Path

from conflict_nlp.labels import DEFINITIONS, HTML_COLOURS, OTHER_HTML_COLOURS
from conflict_nlp.results import Prediction, TaggedArticle, TaggedSentence, Words
from conflict_nlp.sentences import LINE_END
from conflict_nlp.webpages import GENERATOR

_LINE, _BLANK_LINES = re.compile(r"\n"), re.compile(r"\n\s*\n")
# Characters that HTML forbids: controls, lone surrogates, noncharacters.
_FORBIDDEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
    + "]"
)
# Each rule is bound to .conflict-nlp, so that a notebook's own elements keep their look.
_STYLE = Path(__file__).with_name("report.css").read_text(encoding="utf-8")


def html_page(
    articles: Iterable[tuple[object, TaggedArticle]],
    title: str = "Tagged articles",
    *,
    words: Words | None = None,
) -> str:
    """Return one page that shows tagged articles: self-contained, without scripts.

    Sentences are shaded by label and followed by their labels' names; pointing at a sentence or
    focusing it shows its scores; check boxes on top filter by label. The page follows the
    reader's light or dark mode, and can be printed.

    Parameters
    ----------
    articles
        Pairs of a name, e.g. of the file or a number, and an article. The name is shown above the
        article's title, or in its place; an empty name is left out.
    title
        Title of the page; a single article's own heading takes its place.
    words
        Words to underline, as `explain.carrying_words` returns them; they are also named beside
        their label.

    Returns
    -------
    str
        HTML that can be encoded as UTF-8: characters that HTML forbids (controls, lone
        surrogates) become U+FFFD.
    """
    listed = [("" if name is None else str(name), article) for name, article in articles]
    alone = len(listed) == 1 and any(_headings(*listed[0]))
    writer = _Writer(words or {})
    parts = [writer.article(name, article, "h1" if alone else "h2") for name, article in listed]
    body = "\n".join(parts) or "<p>No articles.</p>"
    heading = next(filter(None, reversed(_headings(*listed[0])))) if alone else escaped(title)
    page_heading = "" if alone else f"<h1>{heading}</h1>\n"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f'{GENERATOR}\n<meta name="color-scheme" content="light dark">\n'
        # No script, no picture, no address: whatever a text might smuggle in stays dead.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{heading}</title>\n<style>{writer.style()}</style>\n</head>\n"
        f'<body class="conflict-nlp" style="{writer.colours()}">\n'
        f"<header>\n{page_heading}{writer.legend()}</header>\n"
        f"<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def html_fragment(article: TaggedArticle) -> str:
    """Return one article as an element for a larger page, many of which may stand together.

    It looks and works as on `html_page`, and leaves the look of the page around it alone.
    """
    writer = _Writer({})
    body = writer.article("", article, "h2")
    return (
        f'<div class="conflict-nlp" lang="en" style="{writer.colours()}">\n'
        f"<style>{writer.style()}</style>\n<header>\n{writer.legend()}</header>\n{body}\n</div>"
    )


class _Writer:
    """Writes articles, and then the style and legend for the labels that it met in them.

    Labels are numbered, as their names may hold anything: label 0 has the class ``l0``, its check
    box the class ``f-l0``, its colour the variable ``--c0``.
    """

    def __init__(self, words: Words) -> None:
        self._words = words
        self._numbers: dict[str, int] = {}
        self._counts: Counter[str] = Counter()
        self._truncated = self._underlined = False

    def article(self, name: str, article: TaggedArticle, heading: str) -> str:
        classes: set[str] = set()
        name, title, headline = _headings(name, article)
        head = f'<p class="name">{name}</p>\n' if name and (title or headline) else ""
        if headline and article.headline is not None:
            headline = self._sentence(article.headline, classes)
        if shown := headline or title or name:
            head += f"<{heading}>{shown}</{heading}>\n"
        paragraphs = [self._paragraph(items, classes) for items in _paragraphs(article)]
        body = "".join(paragraphs) + "<p>No sentences.</p>\n" * (not article.sentences)
        return f'<article class="{_joined("part", classes)}">\n{head}{body}</article>'

    def _paragraph(self, items: list[str | TaggedSentence], outer: set[str]) -> str:
        classes: set[str] = set()
        parts = [
            escaped(item) if isinstance(item, str) else self._sentence(item, classes, "part ")
            for item in items
        ]
        outer |= classes
        return f'<p class="{_joined("part", classes)}">{"".join(parts)}</p>\n'

    def _sentence(self, prediction: Prediction, outer: set[str], kind: str = "") -> str:
        numbers = [self._number(label) for label in (*prediction.scores, *prediction.labels)]
        given = numbers[len(prediction.scores) :]
        classes = {f"l{number}" for number in given} or {"none"}
        if prediction.uncertain:
            classes.add("unsure")
        self._counts.update(classes)
        outer |= classes
        words = self._words.get(prediction.text, {})
        spans = [span for label in prediction.labels for span in words.get(label, ())]
        self._underlined |= bool(spans)
        parts = [
            f'<span class="{_joined(kind + "sentence", classes)}" tabindex="0">',
            _shaded(_underlined(prediction.text, spans), given),
        ]
        for label, number in zip(prediction.labels, given):
            shown = escaped(label) + "?" * (label in prediction.uncertain_labels)
            carriers = [prediction.text[start:end] for start, end in words.get(label, ())]
            if carriers:
                shown += ": " + ", ".join(f"<u>{escaped(word)}</u>" for word in carriers)
            parts.append(f" {tag(shown, number)}")
        if prediction.truncated:
            self._truncated = True
            parts.append(' <b class="tag">truncated</b>')
        parts.append('<span class="scores" hidden> ')
        for label, score in prediction.scores.items():
            doubt = "?" * (label in prediction.uncertain_labels)
            kind, tick = (' class="given"', "✓ ") if label in prediction.labels else ("", "")
            parts.append(
                f'<span{kind} style="--score:{score:.0%}"><span>{tick}{escaped(label)}</span> '
                f"<span>{score:.2f}{doubt}</span></span> "
            )
        return "".join([*parts, "</span></span>"])

    def _number(self, label: str) -> int:
        return self._numbers.setdefault(label, len(self._numbers))

    def colours(self) -> str:
        return colours(self._numbers)

    def style(self) -> str:
        numbers = range(len(self._numbers))
        light = ";".join(f"--c{n}:var(--light{n})" for n in numbers)
        dark = ";".join(f"--c{n}:var(--dark{n})" for n in numbers)
        filters = "".join(
            f".conflict-nlp:has(.f-{name}:checked) .{name}{{display:revert}}\n"
            for name in (*(f"l{n}" for n in numbers), "none", "unsure")
        )
        return (
            f"{_STYLE}.conflict-nlp{{{light}}}\n@media screen and (prefers-color-scheme:dark)"
            f"{{.conflict-nlp{{{dark}}}}}\n{filters}"
        )

    def legend(self) -> str:
        """Return the check boxes and the notes that explain what the articles show."""
        boxes = [(f"l{n}", tag(escaped(label), n)) for label, n in self._numbers.items()]
        boxes += [("none", "no label"), ("unsure", "? (uncertain)")]
        inputs = "".join(
            f'<label><input type="checkbox" class="f-{name}"'
            f"{' disabled' * (not self._counts[name])}> {shown} {self._counts[name]}</label>\n"
            for name, shown in boxes
        )
        notes = '<p class="on-screen">Point at a sentence, or reach it with the Tab key, to see '
        notes += "its scores.</p>\n"
        if self._counts["unsure"]:
            notes += "<p>? marks a score at which the model is wrong more often than one time in "
            notes += "four; a label that is not given shows it only beside its score.</p>\n"
        if self._underlined:
            notes += "<p>Underlined: the words without which the score of a label falls most.</p>\n"
        if self._truncated:
            notes += "<p>truncated: the sentence was too long for the model, and only its "
            notes += "beginning was tagged.</p>\n"
        terms = "".join(
            f"<dt>{escaped(label)}</dt><dd>{escaped(DEFINITIONS[label])}</dd>\n"
            for label in self._numbers
            if label in DEFINITIONS
        )
        if terms:
            notes += f"<details><summary>What the labels mean</summary>\n<dl>{terms}</dl></details>"
        return (
            '<fieldset class="filter"><legend>Show only sentences with any of</legend>\n'
            f'{inputs}</fieldset>\n<div class="notes">{notes}</div>\n'
        )


def _headings(name: str, article: TaggedArticle) -> tuple[str, str, str]:
    """Return name, title and headline, escaped, each empty if missing or blank."""
    headline = article.headline.text if article.headline else ""
    return escaped(name.strip()), escaped((article.title or "").strip()), escaped(headline.strip())


def _paragraphs(article: TaggedArticle) -> list[list[str | TaggedSentence]]:
    """Return each paragraph's sentences, and the text between them."""
    # Every line is a paragraph, unless the text is hard-wrapped: then sentences hold line ends.
    wrapped = any("\n" in _clean(sentence.text) for sentence in article.sentences)
    break_ = _BLANK_LINES if wrapped else _LINE
    paragraphs: list[list[str | TaggedSentence]] = [[]]
    end = 0
    for sentence in (*article.sentences, None):
        start = len(article.text) if sentence is None else sentence.start
        first, *others = break_.split(_clean(article.text[end:start]))
        paragraphs[-1].append(first)
        paragraphs.extend([gap] for gap in others)
        if sentence is not None:
            paragraphs[-1].append(sentence)
            end = sentence.end
    return [
        items
        for items in paragraphs
        if any(not isinstance(item, str) or item.strip() for item in items)
    ]


def colours(labels: Iterable[str]) -> str:
    """Return the value of the style attribute that gives each label's two colours."""
    others = cycle(OTHER_HTML_COLOURS)
    pairs = [HTML_COLOURS.get(label) or next(others) for label in labels]
    return ";".join(f"--light{n}:{light};--dark{n}:{dark}" for n, (light, dark) in enumerate(pairs))


def tag(shown: str, number: int) -> str:
    """Return the element that shows a label, whose text is escaped already, in its colour."""
    return f'<b class="tag" style="background:var(--c{number})">{shown}</b>'


def _shaded(shown: str, numbers: list[int]) -> str:
    """Mark a text: each label's colour takes its share of the line's height."""
    if not numbers:
        return shown
    share = 100 / len(numbers)
    stops = ",".join(f"var(--c{n}) 0 {(i + 1) * share:.0f}%" for i, n in enumerate(numbers))
    return f'<mark style="background:linear-gradient({stops})">{shown}</mark>'


def _underlined(text: str, spans: Sequence[tuple[int, int]]) -> str:
    parts, end = [], 0
    for start, stop in sorted(spans):
        start = max(start, end)  # spans may overlap
        if start < stop:
            parts += [escaped(text[end:start]), f"<u>{escaped(text[start:stop])}</u>"]
            end = stop
    return "".join([*parts, escaped(text[end:])])


def _joined(kind: str, classes: set[str]) -> str:
    return " ".join([kind, *sorted(classes)])


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", LINE_END.sub("\n", text))


def escaped(text: str) -> str:
    """Return any string as HTML text."""
    return escape(_clean(text))
