"""Sheets for people: the sentences most worth a second look, for a spreadsheet or a label tool.

>>> tagged = [(path.name, tagger.tag_article(path.read_text())) for path in paths]
>>> write_sheet(tagged, tagger.thresholds, "sheet.csv", count=50)
50

Label Studio shows the tasks with this labelling configuration, one ``Choice`` a label::

    <View>
      <Text name="text" value="$text"/>
      <Choices name="labels" toName="text" choice="multiple">
        <Choice value="attack_event"/>
      </Choices>
    </View>
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conflict_nlp.inputs import checked_count
from conflict_nlp.results import Prediction, TaggedArticle
from conflict_nlp.sentences import storable

_WORD = re.compile(r"\w+")
# What a spreadsheet may take for a formula (CWE-1236), and the guard itself.
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠']|[\t\r\n]")
_TEXTS = ("article", "text")


@dataclass(frozen=True)
class ReviewItem:
    """A sentence to look at.

    Attributes
    ----------
    article
        Name of its article.
    index
        Its position in the article, from 0; -1 for the title.
    prediction
        The sentence with labels and scores.
    """

    article: str
    index: int
    prediction: Prediction


Tagged = Iterable[tuple[object, TaggedArticle | Sequence[Prediction]]]


def select(tagged: Tagged, thresholds: Mapping[str, float], count: int = 100) -> list[ReviewItem]:
    """Choose the sentences that most need a human eye.

    Those in the uncertain band of a label come first, then those whose score lies closest to its
    threshold. Labels take turns, so that a rare one gets its share; for each label, every article
    gives its best sentence before any gives its second. Of sentences that share four words in
    five (repeated wire copy, a toll that rose) only the first is kept.

    Parameters
    ----------
    tagged
        Names with tagged articles, or with lists of predictions; all are held in memory.
    thresholds
        Score in 0..1 from which each label is given, as `Tagger.thresholds`.
    count
        Sentences to choose at most, 1 or more.

    Returns
    -------
    list of ReviewItem
        Most worth a look first; fewer than `count` if there are not so many distinct sentences.

    Raises
    ------
    ValueError
        If `count` is out of range, or a prediction has other labels than `thresholds`.
    """
    count = checked_count(count, "count")
    items = [item for name, sentences in tagged for item in _items(str(name), sentences)]
    for item in items:
        if item.prediction.scores.keys() != thresholds.keys():
            given, wanted = list(item.prediction.scores), list(thresholds)
            raise ValueError(f"{item.article} has scores for {given}, not for {wanted}")
    chosen: list[ReviewItem] = []
    seen = _Seen()
    for uncertain in (True, False):
        queues = [iter(_queue(items, *pair, uncertain)) for pair in thresholds.items()]
        while queues:
            for queue in list(queues):
                found = next((item for item in queue if seen.add(item.prediction.text)), None)
                if found is None:
                    queues.remove(queue)
                    continue
                chosen.append(found)
                if len(chosen) == count:
                    return chosen
    return chosen


def _items(name: str, sentences: TaggedArticle | Sequence[Prediction]) -> list[ReviewItem]:
    if not isinstance(sentences, TaggedArticle):
        return [ReviewItem(name, index, found) for index, found in enumerate(sentences)]
    headline = [] if sentences.headline is None else [ReviewItem(name, -1, sentences.headline)]
    return headline + _items(name, sentences.sentences)


def _queue(
    items: list[ReviewItem], label: str, threshold: float, uncertain: bool
) -> list[ReviewItem]:
    """Return the items in or out of the label's uncertain band, those to ask for first in front."""
    part = [item for item in items if (label in item.prediction.uncertain_labels) == uncertain]
    part.sort(key=lambda item: abs(item.prediction.scores[label] - threshold))
    turns: Counter[str] = Counter()
    ordered = []
    for item in part:
        ordered.append((turns[item.article], item))
        turns[item.article] += 1
    ordered.sort(key=lambda pair: pair[0])
    return [item for _, item in ordered]


class _Seen:
    """Sets of words, where those that share four words in five are found without a full search.

    Two such sets share a word among the first few of each in any fixed order (prefix filtering:
    Chaudhuri, Ganti & Kaushik, 2006). Long words come first, for they are rare.
    """

    def __init__(self) -> None:
        self._by_word: dict[str, list[frozenset[str]]] = defaultdict(list)

    def add(self, text: str) -> bool:
        """Add a sentence; return False, and add nothing, if one like it is there."""
        words = frozenset(_WORD.findall(text.casefold())) or frozenset([text])
        shared = -(-4 * len(words) // 5)
        ordered = sorted(words, key=lambda word: (-len(word), word))
        prefix = ordered[: len(words) - shared + 1]
        for word in prefix:
            for other in self._by_word[word]:
                if 5 * len(words & other) >= 4 * len(words | other):
                    return False
        for word in prefix:
            self._by_word[word].append(words)
        return True


def write_sheet(
    tagged: Tagged,
    thresholds: Mapping[str, float],
    path: str | os.PathLike[str],
    *,
    format: str = "csv",
    count: int = 100,
) -> int:
    """Choose sentences as `select` does and write them to `path`.

    ``csv`` is for spreadsheets (UTF-8 with byte order mark): columns ``article``, ``index``,
    ``text``, one 0/1 column a label as proposed, one ``<label>_score`` column a label. A cell that
    a spreadsheet could take for a formula (it begins with ``= + - @``) gets a leading ``'``, and so
    does one that begins with ``'``: what reads the sheet for training takes that one away again.
    ``label-studio`` is a JSON list of tasks with predictions, ``doccano`` one JSON object a line
    with ``text`` and ``label``; both carry article, index and scores. NUL and lone surrogates,
    which these programs cannot store, become U+FFFD in all three.

    Parameters
    ----------
    tagged, thresholds, count
        As `select` takes them.
    path
        File to write; one that exists is replaced.
    format
        ``"csv"``, ``"label-studio"`` or ``"doccano"``.

    Returns
    -------
    int
        Number of sentences written.

    Raises
    ------
    OSError
        If the file cannot be written.
    ValueError
        As `select`, or if the format is unknown.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, not {format!r}")
    items = select(tagged, thresholds, count)
    sheet = FORMATS[format](items, tuple(thresholds))
    Path(path).write_text(sheet, encoding="utf-8", newline="")
    return len(items)


def _data(item: ReviewItem) -> dict[str, Any]:
    scores = item.prediction.scores.items()
    return {
        "article": storable(item.article),
        "index": item.index,
        "text": storable(item.prediction.text),
        **{f"{label}_score": round(score, 4) for label, score in scores},
    }


def _csv(items: list[ReviewItem], labels: tuple[str, ...]) -> str:
    stream = io.StringIO()
    columns = ["article", "index", "text", *labels]
    writer = csv.DictWriter(stream, [*columns, *(f"{label}_score" for label in labels)])
    writer.writeheader()
    for item in items:
        row = guarded(_data(item))
        row |= {label: int(label in item.prediction.labels) for label in labels}
        writer.writerow(row)
    return "\ufeff" + stream.getvalue()


def guarded(row: Mapping[str, Any]) -> dict[str, Any]:
    """Put ``'`` before the article and text of a row if a spreadsheet could run them."""
    return {**row, **{key: f"'{row[key]}" for key in _TEXTS if _FORMULA.match(row[key])}}


def _label_studio(items: list[ReviewItem], labels: tuple[str, ...]) -> str:
    tasks = []
    for item in items:
        choices = {"from_name": "labels", "to_name": "text", "type": "choices"}
        given = list(item.prediction.labels)
        result = [{**choices, "value": {"choices": given}}] if given else []
        prediction = {"model_version": "conflict-nlp", "result": result}
        tasks.append({"data": _data(item), "predictions": [prediction]})
    return json.dumps(tasks, indent=1) + "\n"


def _doccano(items: list[ReviewItem], labels: tuple[str, ...]) -> str:
    # doccano guesses the encoding of a file: JSON's escapes leave it nothing to guess.
    lines = ({**_data(item), "label": list(item.prediction.labels)} for item in items)
    return "".join(json.dumps(line) + "\n" for line in lines)


FORMATS = {"csv": _csv, "label-studio": _label_studio, "doccano": _doccano}
"""How a sheet of each format is made."""
