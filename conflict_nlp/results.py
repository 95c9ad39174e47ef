"""What tagging returns: one object a sentence, one an article."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conflict_nlp.explain import WordWeight
    from conflict_nlp.sentences import Sentence


Words = dict[str, dict[str, list[tuple[int, int]]]]
"""Of sentences, for each label, the start and end of words in them."""


@dataclass(frozen=True)
class Prediction:
    """The labels of one sentence.

    Attributes
    ----------
    text
        The sentence as it was given.
    labels
        Names of the labels whose score reaches their threshold, in the model's order; of a model
        of classes the one with the highest score.
    scores
        Calibrated probability in 0..1 of every label.
    truncated
        True if the sentence was longer than the model reads, and only its beginning was tagged.
    uncertain_labels
        Labels whose score lies where giving the label, or not giving it, is wrong more often
        than one time in four; measured on sentences that are seen alone.
    """

    text: str
    labels: tuple[str, ...]
    scores: dict[str, float] = field(hash=False)
    truncated: bool = field(default=False, kw_only=True)
    uncertain_labels: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def uncertain(self) -> bool:
        """Whether any label is uncertain."""
        return bool(self.uncertain_labels)

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, dicts, strings, numbers and booleans, ready for JSON."""
        return {
            "text": self.text,
            "labels": list(self.labels),
            "scores": dict(self.scores),
            "uncertain": list(self.uncertain_labels),
            "truncated": self.truncated,
        }


@dataclass(frozen=True)
class TaggedSentence(Prediction):
    """A prediction and where its sentence stands: ``article.text[start:end] == text``."""

    start: int = field(kw_only=True)
    end: int = field(kw_only=True)

    def to_dict(self) -> dict[str, Any]:
        """Return `Prediction.to_dict` with ``start`` and ``end``."""
        return {"start": self.start, "end": self.end, **super().to_dict()}

    def to_record(self, index: int) -> dict[str, Any]:
        """Return the flat dict of `TaggedArticle.to_records`, `index` being the position."""
        return {
            "index": index,
            "start": self.start,
            "end": self.end,
            "text": self.text,
            **{label: int(label in self.labels) for label in self.scores},
            **{f"{label}_score": score for label, score in self.scores.items()},
            "uncertain": self.uncertain,
            "truncated": self.truncated,
        }

    @classmethod
    def of_title(cls, headline: Prediction) -> TaggedSentence:
        """Return a title as the sentence that stands before all others, with index -1."""
        return cls(**vars(headline), start=0, end=0)


def placed(
    predictions: Iterable[Prediction], spans: Iterable[Sentence]
) -> Iterator[TaggedSentence]:
    """Yield the predictions of sentences with the places where these stand in their article."""
    for span, prediction in zip(spans, predictions):
        yield TaggedSentence(**vars(prediction), start=span.start, end=span.end)


@dataclass(frozen=True)
class TaggedArticle:
    """The tagged sentences of one article, in reading order.

    Attributes
    ----------
    text
        The article as it was given.
    sentences
        One `TaggedSentence` for each sentence of `text`; empty for blank text.
    title
        The title as it was given; it is no part of `text`.
    headline
        The title's own prediction; None without a title, or with a blank one.
    """

    text: str
    sentences: tuple[TaggedSentence, ...]
    title: str | None = None
    headline: Prediction | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return title, headline and sentences as plain values, ready for JSON."""
        return {
            "title": self.title,
            "headline": None if self.headline is None else self.headline.to_dict(),
            "sentences": [sentence.to_dict() for sentence in self.sentences],
        }

    def to_records(self) -> list[dict[str, Any]]:
        """Return one flat dict a sentence, as a data frame takes them.

        A headline stands before the sentences, with index -1, start 0 and end 0. Keys: ``index``,
        ``start``, ``end``, ``text``; for each label its name (0 or 1) and ``<label>_score``;
        ``uncertain`` and ``truncated`` (bool).
        """
        title = [] if self.headline is None else [TaggedSentence.of_title(self.headline)]
        placed = enumerate([*title, *self.sentences], -len(title))
        return [sentence.to_record(index) for index, sentence in placed]

    def to_html(
        self, *, explain: Callable[[str], Mapping[str, Sequence[WordWeight]]] | None = None
    ) -> str:
        """Return a self-contained page that shows the article; see `report.html_page`.

        Parameters
        ----------
        explain
            `Tagger.explain` of the tagger that tagged the article: the words that carried each
            label are underlined and named beside it. With a transformer this takes tenths of a
            second for each sentence that has a label.
        """
        from conflict_nlp.explain import carrying_words
        from conflict_nlp.report import html_page

        words = None if explain is None else carrying_words(explain, self)
        title = (self.title or "").strip() or "Tagged article"
        return html_page([("", self)], title=title, words=words)

    def _repr_html_(self) -> str:
        """Show the article in a notebook as on the page of `to_html`."""
        from conflict_nlp.report import html_fragment

        return html_fragment(self)
