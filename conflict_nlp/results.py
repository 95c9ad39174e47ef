"""What tagging returns: one object a sentence, one an article."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Any

from conflict_nlp.labels import HTML_COLOURS


@dataclass(frozen=True)
class Prediction:
    """The labels of one sentence.

    Attributes
    ----------
    text
        The sentence as it was given.
    labels
        Names of the labels whose score reaches their threshold, in the model's order.
    scores
        Calibrated probability in 0..1 of every label.
    truncated
        True if the sentence was longer than the model reads, and only its beginning was tagged.
    uncertain_labels
        Labels whose score lies where the model is wrong more often than one time in four.
    """

    text: str
    labels: tuple[str, ...]
    scores: dict[str, float]
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
        The title's own prediction; None without a title.
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

        Keys: ``index``, ``start``, ``end``, ``text``; for each label its name (0 or 1) and
        ``<label>_score``; ``uncertain`` and ``truncated`` (bool).
        """
        return [
            {
                "index": index,
                "start": sentence.start,
                "end": sentence.end,
                "text": sentence.text,
                **{label: int(label in sentence.labels) for label in sentence.scores},
                **{f"{label}_score": score for label, score in sentence.scores.items()},
                "uncertain": sentence.uncertain,
                "truncated": sentence.truncated,
            }
            for index, sentence in enumerate(self.sentences)
        ]

    def _repr_html_(self) -> str:
        """Show the article in a notebook: sentences shaded by label, scores on hover."""
        parts = ['<div style="line-height:1.7;max-width:50em">']
        if self.headline is not None:
            parts.append(f"<h3>{_shaded(self.headline)}</h3>")
        end = 0
        for sentence in self.sentences:
            gap = self.text[end : sentence.start]
            parts.append("<br><br>" if gap.count("\n") > 1 else "<br>" if "\n" in gap else " ")
            parts.append(_shaded(sentence))
            end = sentence.end
        return "".join([*parts, "</div>"])


def _shaded(prediction: Prediction) -> str:
    hover = escape(" ".join(f"{n}={s:.2f}" for n, s in prediction.scores.items()), quote=True)
    text = escape(prediction.text)
    if not prediction.labels:
        return f'<span title="{hover}">{text}</span>'
    shades = [HTML_COLOURS.get(label, "#dddddd") for label in prediction.labels]
    names = escape(", ".join(prediction.labels))
    return (
        f'<span title="{hover}" style="color:#111;background:{shades[0]};'
        f'border-bottom:3px solid {shades[-1]};padding:1px 3px;border-radius:3px">{text}</span>'
        f' <small style="opacity:.75">[{names}]</small>'
    )
