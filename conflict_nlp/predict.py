"""Tag sentences and articles.

>>> from conflict_nlp.predict import predict
>>> predict("At least 30 rockets hit the base.").labels
('attack_event',)

The whole trip of the data stands here: text is split by `conflict_nlp.sentences`, classified in
batches by an engine of `conflict_nlp.classifiers`, calibrated by `conflict_nlp.calibration`, seen
in its article by `conflict_nlp.context`, and returned as the objects of `conflict_nlp.results`.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from conflict_nlp import __version__, classifiers, frames, store
from conflict_nlp.calibration import Calibration, probabilities
from conflict_nlp.classifiers import Classifier
from conflict_nlp.context import Context, parts
from conflict_nlp.explain import WordWeight, explain
from conflict_nlp.inputs import articles_of, checked_count, plain, strings, titled, windows
from conflict_nlp.labels import LABELS
from conflict_nlp.results import Prediction, TaggedArticle, TaggedSentence, placed
from conflict_nlp.sentences import Sentence, is_blank, split_sentences, unhyphenated

__all__ = [
    "LABELS",
    "Prediction",
    "TaggedArticle",
    "TaggedSentence",
    "Tagger",
    "predict",
    "predict_iter",
    "predict_proba",
    "tag_article",
]

# Sentences sorted by length together: enough that batches are of like length, few enough that
# a stream gives its first results at once and takes constant memory.
_FIRST_WINDOW, _WINDOW = 64, 1024


class Tagger:
    """Tags sentences with the labels of one model.

    Several threads may share a tagger. It can be pickled: the copy loads the model folder again,
    with the same backend and device, and raises `ModelError` if that holds another model by then.

    Parameters
    ----------
    classifier
        The engine: texts to logits.
    calibration
        Logits to scores and thresholds; its labels must be the classifier's.
    source
        Folder that the model came from, if any.
    context
        How the other sentences of an article move the scores of one, if the model has that; its
        labels must be the classifier's too.
    """

    def __init__(
        self,
        classifier: Classifier,
        calibration: Calibration,
        source: Path | None = None,
        context: Context | None = None,
    ) -> None:
        for part in (calibration, context):
            if part is not None and part.labels != classifier.labels:
                raise ValueError(
                    f"classifier has labels {classifier.labels}, {type(part).__name__.lower()} "
                    f"{part.labels}"
                )
        self._classifier = classifier
        self._calibration = calibration
        self._source = source
        self._context = context
        self._options: dict[str, Any] = {}
        self._sha256: str | None = None

    @classmethod
    def from_pretrained(
        cls,
        name_or_folder: str | os.PathLike[str] = "default",
        *,
        trust: bool = False,
        backend: str = "onnx",
        device: str | None = None,
    ) -> Tagger:
        """Load a model.

        Parameters
        ----------
        name_or_folder
            A shipped name (``"default"``, ``"minilm"``, ``"mpnet"``, ``"baseline"``), or a model
            folder.
        trust
            Load the ``model.joblib`` of a folder that was not shipped, with a manifest or without.
            Such a file can run any code: say True only for one of your own. Transformers need no
            trust.
        backend
            ``"onnx"``, or ``"torch"`` to run a transformer on a GPU; needs the extra ``torch``.
            torch has the same weights; in bfloat16 it does not round activations to 8 bits.
        device
            Where torch runs, e.g. ``"cpu"``, ``"cuda"``, ``"cuda:1"``; by default on a GPU if
            there is one. A GPU computes in bfloat16.

        Raises
        ------
        ModelError
            If the model is missing, damaged or not trusted, or is no transformer and `backend` is
            ``"torch"``; names the file and the mend.
        ImportError
            If the model needs a package that is not installed.
        ValueError
            If the backend or the device is unknown.
        """
        folder = store.find(name_or_folder)
        loose = folder / "model.joblib"
        is_loose = loose.is_file() and not (folder / "manifest.json").exists()
        checked = None if is_loose else store.read(folder)
        # Made by whoever made the files, a manifest does not tell where they come from.
        can_run_code = checked is None or checked.manifest.get("engine") == "baseline"
        is_shipped = folder.resolve() == store.shipped_models().get("baseline")
        if can_run_code and not (trust or is_shipped):
            raise store.ModelError(
                f"loading {loose} could run any code: if the file is yours, pass trust=True "
                "(conflict-nlp: --trust)"
            )
        # The working folder may be another when the tagger is pickled.
        source = Path(os.path.abspath(folder))  # noqa: PTH100
        if checked is None:
            from conflict_nlp.classifiers.baseline import BaselineClassifier

            if (backend, device) != ("onnx", None):
                raise store.ModelError(f"{loose} is no transformer for torch: take another model")
            loaded = BaselineClassifier.from_joblib(loose, LABELS)
            tagger = cls(loaded, Calibration.identity(LABELS), source)
        else:
            classifier = classifiers.load(checked, backend, device)
            try:
                task = checked.manifest.get("task", "multi-label")
                calibration = Calibration.from_dict(checked.json("calibration.json"), task)
                has_context = "context.json" in checked.files
                context = Context.from_dict(checked.json("context.json")) if has_context else None
                tagger = cls(classifier, calibration, source, context)
            except (KeyError, TypeError, ValueError) as error:
                raise store.ModelError(
                    f"{folder / 'calibration.json'}, context.json or manifest.json is malformed: "
                    f"{error!r}; export the model again"
                ) from None
            tagger._sha256 = checked.sha256
        tagger._options = {"backend": backend, "device": device, "trust": trust}
        return tagger

    def __reduce__(self) -> tuple[Any, ...]:
        if self._source is None:
            raise TypeError("a tagger that was not loaded from a model folder cannot be pickled")
        # By name, as the package may lie in another place elsewhere.
        return _restored, (type(self), self._name, self._options, self._sha256)

    @property
    def _name(self) -> str | None:
        shipped = {path: name for name, path in store.shipped_models().items()}
        return None if self._source is None else shipped.get(self._source, str(self._source))

    @property
    def info(self) -> dict[str, Any]:
        """What makes the results, to be kept beside them; ready for JSON.

        ``model``: a shipped name, or the folder; None if it came from none. ``sha256``: of its
        manifest, which stands for all its files; None without one. ``conflict_nlp``: the version.
        ``engine``: what runs the model, with its version. ``context``: whether the sentences of an
        article move each other's scores. ``thresholds``: of each label, in 0..1. ``uncertain``: of
        each label the lowest and highest score that is uncertain. Numbers have 5 decimals.
        """
        set_by = self._calibration.to_dict()
        return {
            "model": self._name,
            "sha256": self._sha256,
            "conflict_nlp": __version__,
            "engine": self._classifier.engine,
            "context": self._context is not None,
            "thresholds": {label: row["threshold"] for label, row in set_by.items()},
            "uncertain": {label: row["uncertain"] for label, row in set_by.items()},
        }

    def __repr__(self) -> str:
        return f"Tagger({str(self._source) if self._source else self._classifier!r})"

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels, in the order of the score columns."""
        return self._classifier.labels

    @property
    def thresholds(self) -> dict[str, float]:
        """Score from which each label is given, in 0..1.

        A model of classes, of which exactly one holds, gives the one with the highest score; its
        thresholds of 0.5 then tell from where a class is more likely than all others together.
        """
        return dict(zip(self.labels, map(float, self._calibration.thresholds)))

    @overload  # a string is an iterable of strings too, but the first signature wins
    def predict(  # type: ignore[overload-overlap]
        self,
        sentences: str,
        *,
        thresholds: Mapping[str, float] | None = None,
        batch_size: int = 32,
        show_progress: bool = False,
    ) -> Prediction: ...

    @overload
    def predict(
        self,
        sentences: Iterable[str],
        *,
        thresholds: Mapping[str, float] | None = None,
        batch_size: int = 32,
        show_progress: bool = False,
    ) -> list[Prediction]: ...

    def predict(
        self,
        sentences: str | Iterable[str],
        *,
        thresholds: Mapping[str, float] | None = None,
        batch_size: int = 32,
        show_progress: bool = False,
    ) -> Prediction | list[Prediction]:
        """Tag one sentence, or each of several on its own words.

        Parameters
        ----------
        sentences
            A string, or an iterable of strings.
        thresholds
            Score in 0..1 from which a label is given, for labels whose own threshold is not to
            hold, e.g. ``{"attribution_claim": 0.7}``.
        batch_size
            Sentences of usual length that a model reads at a time on one core at most, 1 or more;
            a GPU takes a multiple of it. Changes speed and memory, not results.
        show_progress
            Show a progress bar on standard error.

        Returns
        -------
        Prediction or list of Prediction
            One for a string; for an iterable one for each sentence, in order.

        Raises
        ------
        TypeError
            If a sentence is not a string, which names its position, or `thresholds` is no mapping.
        ValueError
            If a label is unknown, or a threshold or the batch size is out of range.
        """
        chosen, size = self._calibration.with_thresholds(thresholds), checked_count(batch_size)
        if isinstance(sentences, str):
            return next(self._stream(iter([[plain(sentences)]]), chosen, size, 1))[0]
        listed = list(strings(sentences))
        results = self._stream(zip(listed), chosen, size, _WINDOW)
        flat = chain.from_iterable(results)
        return list(_progress(flat, len(listed)) if show_progress else flat)

    def predict_iter(
        self,
        sentences: Iterable[str],
        *,
        thresholds: Mapping[str, float] | None = None,
        batch_size: int = 32,
    ) -> Iterator[Prediction]:
        """Tag a stream: yield one `Prediction` a sentence, in order, in constant memory.

        Reads 64 sentences before the first result, then 1,024 at a time, as a model is fastest on
        many. Where each is to be answered at once, `predict` them one by one.

        Parameters and errors are those of `predict`; a bad option raises at the call, a bad
        sentence when its turn comes. A single string is refused: it is no stream of sentences.
        """
        chosen = self._calibration.with_thresholds(thresholds)
        if isinstance(sentences, str):
            raise TypeError("sentences must be an iterable of strings: for one use predict")
        alone = zip(strings(sentences))
        results = self._stream(alone, chosen, checked_count(batch_size), _FIRST_WINDOW)
        return (prediction for predictions in results for prediction in predictions)

    def predict_articles(
        self,
        articles: Iterable[Iterable[str]],
        *,
        thresholds: Mapping[str, float] | None = None,
        batch_size: int = 32,
    ) -> Iterator[list[Prediction]]:
        """Tag a stream of articles that are split already, each sentence seen in its article.

        A model with ``context.json`` (each shipped one) lets the sentences around one move its
        scores, as `tag_article` does; without, and for a sentence that stands alone, scores
        are those of `predict`. Articles of over 128 sentences are seen in equal parts. Reads
        ahead as `predict_iter` does.

        Parameters
        ----------
        articles
            Each the sentences of one, in reading order, with its title, if any, as the first.
        thresholds, batch_size
            As in `predict`.

        Yields
        ------
        list of Prediction
            One for each sentence of an article.

        Raises
        ------
        TypeError
            If an article is no iterable of strings; names its position, and the sentence's.
        ValueError
            As `predict`; a bad option raises at the call, a bad article when its turn comes.
        """
        chosen, size = self._calibration.with_thresholds(thresholds), checked_count(batch_size)
        checked = articles_of(articles)
        counts: deque[int] = deque()

        def pieces() -> Iterator[Sequence[str]]:
            for article in checked:
                cut = parts(article)
                counts.append(len(cut))
                yield from cut or [()]

        results = self._stream(pieces(), chosen, size, _FIRST_WINDOW)
        return (
            list(chain(first, *islice(results, max(counts.popleft() - 1, 0)))) for first in results
        )

    def _stream(
        self,
        articles: Iterator[Sequence[str]],
        thresholds: NDArray[np.float32],
        batch_size: int,
        first_window: int,
    ) -> Iterator[list[Prediction]]:
        for window in windows(articles, first_window, _WINDOW):
            texts = list(chain.from_iterable(window))
            ends = np.cumsum([len(article) for article in window])
            scores, truncated = self._scores(texts, batch_size, ends)
            given = self._calibration.given(scores, thresholds)
            uncertain = self._calibration.is_uncertain(scores, given)
            predictions = (
                Prediction(
                    text,
                    self._named(given[i]),
                    dict(zip(self.labels, scores[i].tolist())),
                    truncated=bool(truncated[i]),
                    uncertain_labels=self._named(uncertain[i]),
                )
                for i, text in enumerate(texts)
            )
            for article in window:
                yield list(islice(predictions, len(article)))

    def _scores(
        self, texts: list[str], batch_size: int, ends: Sequence[int] | NDArray[np.intp] = ()
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return scores and which texts were too long; articles end before the rows `ends`."""
        # Boilerplate repeats: each distinct sentence is classified once.
        distinct = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        logits, truncated = self._classifier.logits([*map(unhyphenated, distinct)], batch_size)
        rows = np.array([distinct[text] for text in texts], np.intp)
        log_odds = self._calibration.log_odds(logits)[rows]
        if self._context is not None and len(ends):
            articles = np.split(log_odds, ends[:-1])
            log_odds = np.concatenate([self._context.log_odds(article) for article in articles])
        return probabilities(log_odds), truncated[rows]

    def _named(self, row: NDArray[np.bool_]) -> tuple[str, ...]:
        return tuple(label for label, is_set in zip(self.labels, row) if is_set)

    def predict_proba(
        self, sentences: str | Iterable[str], *, batch_size: int = 32
    ) -> NDArray[np.float32]:
        """Return calibrated probabilities, of each sentence on its own words.

        Returns
        -------
        numpy.ndarray
            float32 [n, labels], each in 0..1, columns in the order of `labels`; a single string
            gives one row.

        Raises
        ------
        TypeError, ValueError
            As `predict`.
        """
        size = checked_count(batch_size)
        stream = strings([sentences] if isinstance(sentences, str) else sentences)
        scores = [np.empty((0, len(self.labels)), np.float32)]
        while window := list(islice(stream, _WINDOW)):
            scores.append(self._scores(window, size)[0])
        return np.concatenate(scores)

    def tag_article(
        self,
        text: str,
        title: str | None = None,
        *,
        thresholds: Mapping[str, float] | None = None,
    ) -> TaggedArticle:
        """Split an article into sentences and tag each, seen in the article.

        Parameters
        ----------
        text
            The article; blank text gives no sentences.
        title
            Its title, if it is not part of `text`: read as the first sentence of the article, and
            tagged as the result's `headline`. A blank one is none.
        thresholds
            As in `predict`.

        Returns
        -------
        TaggedArticle
            Its sentences carry offsets: ``text[s.start:s.end] == s.text`` for each.

        Raises
        ------
        TypeError
            If `text` or `title` is not a string.
        ValueError
            As `predict`.
        """
        for name, value in (("text", text), ("title", "" if title is None else title)):
            if not isinstance(value, str):
                raise TypeError(f"{name} must be a string, not {type(value).__name__}")
        return next(self.tag_articles([text], [title], thresholds=thresholds))

    def tag_articles(
        self,
        texts: Iterable[str],
        titles: Iterable[str | None] | None = None,
        *,
        thresholds: Mapping[str, float] | None = None,
    ) -> Iterator[TaggedArticle]:
        """Tag a stream of articles as `tag_article` does, in less time than one at a time takes.

        Reads ahead as `predict_iter` does, articles of some 1,000 sentences.

        Parameters
        ----------
        texts
            The articles.
        titles
            The title of each, or None (in a column of a data frame also NaN) where it has none.
        thresholds
            As in `predict`.

        Yields
        ------
        TaggedArticle
            One for each text, in order.

        Raises
        ------
        TypeError
            If a text or title is not a string; names its position.
        ValueError
            As `predict`, or if there are not as many titles as texts; a bad option raises at the
            call, a bad text when its turn comes.
        """
        pairs = titled(texts, titles)
        waiting: deque[tuple[str, str | None, list[Sentence]]] = deque()

        def split() -> Iterator[list[str]]:
            for text, title in pairs:
                spans = split_sentences(text)
                waiting.append((text, title, spans))
                before = [] if title is None or is_blank(title) else [title]
                yield [*before, *(span.text for span in spans)]

        found = self.predict_articles(split(), thresholds=thresholds)
        return (_article(*waiting.popleft(), predictions) for predictions in found)

    def relabel(self, article: TaggedArticle, thresholds: Mapping[str, float]) -> TaggedArticle:
        """Return a tagged article with the labels that other thresholds give; no model runs.

        Parameters
        ----------
        article
            What `tag_article` of this tagger returned.
        thresholds
            As in `predict`; a label that is not named has the model's own.

        Raises
        ------
        KeyError
            If the article has no scores of this tagger's labels.
        TypeError, ValueError
            As `predict`.
        """
        chosen = self._calibration.with_thresholds(thresholds)
        before = [] if article.headline is None else [article.headline]
        predictions: list[Any] = [*before, *article.sentences]
        rows = [[each.scores[label] for label in self.labels] for each in predictions]
        scores = np.array(rows, np.float32).reshape(-1, len(self.labels))
        given = self._calibration.given(scores, chosen)
        uncertain = self._calibration.is_uncertain(scores, given)
        made = [
            replace(each, labels=self._named(a), uncertain_labels=self._named(b))
            for each, a, b in zip(predictions, given, uncertain)
        ]
        headline = made.pop(0) if before else None
        return replace(article, sentences=tuple(made), headline=headline)

    def explain(self, sentence: str) -> dict[str, list[WordWeight]]:
        """Tell which words carried each label, by leaving them out.

        The sentence is seen on its own words, as `predict` sees it; what the sentences around it
        did to its scores in an article is no part of this.

        The model reads the sentence once for each word, and up to three times as often where
        single words do not tell: milliseconds with ``baseline``, tenths of a second to seconds
        with a transformer.

        Returns
        -------
        dict of list of WordWeight
            For each label every word, the strongest first; `WordWeight.weight` is what the
            log-odds of the calibrated score lose without the word. Where a label is given and
            stays without any one word, the shortest group of two or three adjacent words
            without which it goes, if there is one, stands first. Of a sentence of more than
            100 words, equal runs of adjacent words take the place of single words.

        Raises
        ------
        TypeError
            If `sentence` is not a string.
        ValueError
            If it has more than 10,000 words.
        """
        return explain(self._classifier, self._calibration, sentence)

    def tag_frame(
        self,
        df: Any,
        text_column: str = "text",
        title_column: str | None = None,
        id_column: str | None = None,
        *,
        keep: Sequence[str] = (),
        thresholds: Mapping[str, float] | None = None,
    ) -> Any:
        """Tag the articles of a pandas data frame, one a row.

        Parameters
        ----------
        df
            A pandas DataFrame.
        text_column, title_column, id_column
            Columns with the article, its title (missing values are no title), and its name;
            without `id_column` the frame's index names the article.
        keep
            Other columns that each sentence gets from its article, such as its date.
        thresholds
            As in `predict`.

        Returns
        -------
        pandas.DataFrame
            One row a sentence: ``article``, the keys of `TaggedArticle.to_records`, and the
            columns of `keep`. A title comes before its article, with index -1, start 0 and end 0.
            Blank text gives no row.

        Raises
        ------
        ImportError
            If pandas is not installed.
        TypeError
            If `df` is no pandas DataFrame, or a text or title no string.
        ValueError
            If a column is missing, or one to keep has the name of one of the result; or as
            `predict`.
        """
        columns = (text_column, title_column, id_column)
        return frames.tag_frame(self, df, columns, keep, thresholds)


def _restored(cls: type[Tagger], name: str, options: dict[str, Any], sha256: str | None) -> Tagger:
    """Load a tagger that was pickled."""
    tagger = cls.from_pretrained(name, **options)
    if tagger._sha256 != sha256:
        raise store.ModelError(
            f"model {name!r} is another one than when the tagger was pickled (its sha256 differs): "
            "load it with Tagger.from_pretrained"
        )
    return tagger


def _article(
    text: str, title: str | None, spans: list[Sentence], predictions: list[Prediction]
) -> TaggedArticle:
    headline = predictions.pop(0) if len(predictions) > len(spans) else None
    return TaggedArticle(text, tuple(placed(predictions, spans)), title, headline)


def _progress(results: Iterator[Prediction], total: int) -> Iterator[Prediction]:
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return iter(track(results, description="tagging", total=total, console=console))


_default: Tagger | None = None
_default_lock = threading.Lock()


def _renew_lock() -> None:
    global _default_lock
    _default_lock = threading.Lock()


if hasattr(os, "register_at_fork"):  # a thread that is left behind may hold it
    os.register_at_fork(after_in_child=_renew_lock)


def _default_tagger() -> Tagger:
    global _default
    with _default_lock:
        if _default is None:
            _default = Tagger.from_pretrained("default")
        return _default


@overload  # as of the method
def predict(  # type: ignore[overload-overlap]
    sentences: str,
    *,
    thresholds: Mapping[str, float] | None = None,
    batch_size: int = 32,
    show_progress: bool = False,
) -> Prediction: ...


@overload
def predict(
    sentences: Iterable[str],
    *,
    thresholds: Mapping[str, float] | None = None,
    batch_size: int = 32,
    show_progress: bool = False,
) -> list[Prediction]: ...


def predict(
    sentences: str | Iterable[str],
    *,
    thresholds: Mapping[str, float] | None = None,
    batch_size: int = 32,
    show_progress: bool = False,
) -> Prediction | list[Prediction]:
    """Tag with the default model, loaded at the first call; see `Tagger.predict`."""
    return _default_tagger().predict(
        sentences, thresholds=thresholds, batch_size=batch_size, show_progress=show_progress
    )


def predict_iter(
    sentences: Iterable[str],
    *,
    thresholds: Mapping[str, float] | None = None,
    batch_size: int = 32,
) -> Iterator[Prediction]:
    """Tag a stream with the default model; see `Tagger.predict_iter`."""
    return _default_tagger().predict_iter(sentences, thresholds=thresholds, batch_size=batch_size)


def predict_proba(sentences: str | Iterable[str], *, batch_size: int = 32) -> NDArray[np.float32]:
    """Return the default model's probabilities, float32 [n, 4]; see `Tagger.predict_proba`."""
    return _default_tagger().predict_proba(sentences, batch_size=batch_size)


def tag_article(
    text: str, title: str | None = None, *, thresholds: Mapping[str, float] | None = None
) -> TaggedArticle:
    """Tag an article with the default model; see `Tagger.tag_article`."""
    return _default_tagger().tag_article(text, title, thresholds=thresholds)
