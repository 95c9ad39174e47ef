"""Which words carried a label: occlusion.

Each word is left out in turn, and the calibrated score is computed anew; what the score loses is
the word's weight (Li, Monroe & Jurafsky, 2016: "Understanding neural networks through
representation erasure"). Where a label survives the loss of every single word, as "shot and
killed" survives that of "shot", groups of two and three words are left out too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from conflict_nlp.calibration import Calibration, probabilities
from conflict_nlp.classifiers import Classifier
from conflict_nlp.results import TaggedArticle, Words
from conflict_nlp.sentences import unhyphenated

_WORD = re.compile(r"\w+(?:[-'’.,]\w+)*")
_LARGEST_GROUP = 3
_MOST_UNITS = 100
_MOST_WORDS = 10_000
_MOST_CARRIERS, _LEAST_WEIGHT = 3, 0.05


@dataclass(frozen=True)
class WordWeight:
    """A word, or a group of adjacent words, and what it did for a label.

    Attributes
    ----------
    text, start, end
        The word and where it stands: ``sentence[start:end] == text``.
    weight
        By how much the log-odds (natural logarithm) of the calibrated score fall when the word is
        left out. Above 0 the word spoke for the label, below 0 against it.
    """

    text: str
    start: int
    end: int
    weight: float


def explain(
    classifier: Classifier, calibration: Calibration, sentence: str
) -> dict[str, list[WordWeight]]:
    """Return the words of a sentence by their weight; see `conflict_nlp.predict.Tagger.explain`."""
    if not isinstance(sentence, str):
        raise TypeError(f"sentence must be a string, not {type(sentence).__name__}")
    units = _units(sentence)

    def read_without(spans: list[tuple[int, int]]) -> NDArray[np.float32]:
        texts = [sentence[:start] + sentence[end:] for start, end in spans]
        return calibration.log_odds(classifier.logits([*map(unhyphenated, texts)], 32)[0])

    found = read_without([(0, 0), *units])
    given = calibration.given(probabilities(found))
    missed = np.asarray(given.all(axis=0))  # given, and without any one word too
    sizes = [1] * len(units)
    spans = list(units)
    if missed.any():
        for size in range(2, _LARGEST_GROUP + 1):
            groups = [(one[0], other[1]) for one, other in zip(units, units[size - 1 :])]
            sizes += [size] * len(groups)
            spans += groups
        if spans[len(units) :]:
            found = np.concatenate([found, read_without(spans[len(units) :])])
            given = calibration.given(probabilities(found))
    lost = found[0] - found[1:]
    explained = {}
    for column, label in enumerate(calibration.labels):
        weights = lost[:, column]
        rows = list(range(len(units)))
        enough = [row for row in range(len(units), len(lost)) if not given[row + 1, column]]
        rows.sort(key=lambda row: -weights[row])
        if missed[column] and enough:
            rows.insert(0, min(enough, key=lambda row: (sizes[row], -weights[row])))
        explained[label] = [
            WordWeight(sentence[slice(*spans[row])], *spans[row], weight=float(weights[row]))
            for row in rows
        ]
    return explained


def carrying_words(
    explain: Callable[[str], Mapping[str, Sequence[WordWeight]]], article: TaggedArticle
) -> Words:
    """Return the words that carried the labels of an article's sentences.

    Parameters
    ----------
    explain
        `Tagger.explain` of the tagger that tagged the article; called once for each distinct
        sentence that has a label.
    article
        The tagged article.

    Returns
    -------
    dict
        For each such sentence, and each of its labels, the start and end of up to three words (or
        groups), in reading order: the strongest, and others at least half as strong. None where
        no word counts (its weight is under 0.05), or the sentence is too long to explain.
    """
    headline = [] if article.headline is None else [article.headline]
    labels: dict[str, dict[str, None]] = {}
    for each in (*headline, *article.sentences):
        if each.labels:  # the same words may have others at another place of the article
            labels.setdefault(each.text, {}).update(dict.fromkeys(each.labels))
    carrying = {}
    for sentence, given in labels.items():
        if len(_WORD.findall(sentence)) <= _MOST_WORDS:
            explained = explain(sentence)
            carrying[sentence] = {label: _strongest(explained[label]) for label in given}
    return carrying


def _strongest(words: Sequence[WordWeight]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for word in words:
        if word.weight < max(_LEAST_WEIGHT, words[0].weight / 2) or len(found) == _MOST_CARRIERS:
            break
        if not any(start < word.end and word.start < end for start, end in found):
            found.append((word.start, word.end))
    return sorted(found)


def _units(sentence: str) -> list[tuple[int, int]]:
    """Return the spans of the words; of a very long sentence, those of equal runs of words."""
    words = [found.span() for found in _WORD.finditer(sentence)]
    if len(words) > _MOST_WORDS:
        raise ValueError(
            f"sentence has {len(words)} words, more than {_MOST_WORDS}: split the text with "
            "conflict_nlp.sentences.split_sentences, and explain one sentence at a time"
        )
    size = -(-len(words) // _MOST_UNITS) or 1
    runs = [words[i : i + size] for i in range(0, len(words), size)]
    return [(run[0][0], run[-1][1]) for run in runs]
