"""Train the TF-IDF baseline.

    python -m training.train_baseline --data train.jsonl --output runs/baseline
    python -m training.train_baseline --data train.tsv --test dev.tsv --output runs/mine

Data is any file that `training.data` reads. Parameters are chosen by cross-validation in which no
article is cut in two. Calibration, thresholds and context come from the out-of-fold scores of the
chosen parameters.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path

import joblib
import numpy as np
import sklearn
from sklearn.feature_extraction.text import TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, ParameterGrid, cross_val_predict
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline

from conflict_nlp import store
from conflict_nlp.classifiers.ngrams import WordNgramVectorizer
from training.calibrate import fit, write_calibration
from training.data import article_groups, read_sentences, warn_of_overlap
from training.metrics import scores
from training.options import errors_in_one_line, parse
from training.progress import track
from training.task import find_task

log = logging.getLogger(__name__)

_MOST_FEATURES = 60_000  # of words, and as many of characters
_NEVER = -10.0  # a logit

GRID = {
    "classify__estimator__C": [3.0, 10.0, 30.0],
    "classify__estimator__class_weight": [None, "balanced"],
}


def pipeline(seed: int) -> Pipeline:
    """Return the untrained classifier: word and character n-grams, one regression a label."""
    features = FeatureUnion(
        [
            (
                "words",
                TfidfVectorizer(
                    ngram_range=(1, 2),
                    sublinear_tf=True,
                    max_features=_MOST_FEATURES,
                    dtype=np.float32,
                ),
            ),
            (
                "characters",
                make_pipeline(
                    WordNgramVectorizer(ngram_range=(5, 5), max_features=_MOST_FEATURES),
                    TfidfTransformer(sublinear_tf=True),
                ),
            ),
        ]
    )
    regression = LogisticRegression(solver="liblinear", random_state=seed)
    return Pipeline([("features", features), ("classify", OneVsRestClassifier(regression))])


def train(options: argparse.Namespace) -> None:
    """Choose parameters, train on all of the data, and write the model folder."""
    store.check_replaceable(options.output)
    task = find_task(options.data, options.label_names)
    data = read_sentences(options.data, task)
    test = read_sentences(options.test, task) if options.test else None
    if test is not None:
        warn_of_overlap(data, {"test": test})
    texts, targets = list(data["text"]), np.array(data["targets"]) >= 0.5
    fitted = targets if len(task.labels) > 1 else targets[:, 0]  # scikit-learn wants no column
    for label, column in zip(task.labels, targets.T):
        if column.all() or not column.any():
            raise ValueError(f"{'all' if column.all() else 'no'} texts have the label {label!r}")
    groups = article_groups(data["article"])
    folds = GroupKFold(options.folds, shuffle=True, random_state=options.seed)
    model = pipeline(options.seed)
    trials = []
    for parameters in track(list(ParameterGrid(GRID)), "cross-validation"):
        model.set_params(**parameters)
        logits = cross_val_predict(
            model, texts, fitted, groups=groups, cv=folds, method="decision_function", n_jobs=-1
        )
        logits = logits.astype(np.float32).reshape(len(texts), -1)
        for rest, held_out in folds.split(texts, groups=groups):
            # scikit-learn gives a label that the rest lacks a logit of 0.
            logits[np.ix_(held_out, ~targets[rest].any(0))] = _NEVER
        calibration = fit(logits, targets, task.labels, task.kind)
        given = calibration.given(calibration.scores(logits))
        f1 = next(iter(scores(targets, given, task).values()))
        log.info("%s: out-of-fold F1 %.4f", parameters, f1)
        trials.append((f1, parameters, calibration, logits))
    f1, parameters, calibration, out_of_fold = max(trials, key=lambda trial: trial[0])
    log.info("chosen: %s", parameters)
    model.set_params(**parameters).fit(texts, fitted)
    record = {
        "task": {"labels": task.labels, "kind": task.kind},
        "parameters": parameters,
        "training_sentences": len(texts),
        "out_of_fold_f1": f1,
    }
    if test is not None:
        logits = model.decision_function(list(test["text"])).reshape(len(test), -1)
        true = np.array(test["targets"]) >= 0.5
        # Class weights move the scores, and calibration moves them back.
        half = np.full(len(task.labels), 0.5, np.float32)
        given = calibration.given(calibration.scores(logits.astype(np.float32)), half)
        record["test"] = scores(true, given, task)
        print(json.dumps(record["test"], indent=1))

    def fill(folder: Path) -> None:
        joblib.dump(model, folder / "model.joblib", compress=("lzma", 6))
        write_calibration(folder, calibration, out_of_fold, targets, data)
        (folder / "training.json").write_text(json.dumps(record, indent=2) + "\n")
        card = CARD.format(
            name=options.output.name,
            sentences=len(texts),
            files=", ".join(path.name for path in options.data),
            articles=len(set(groups)),
            f1=f1,
            parameters=parameters,
            settings=len(trials),
        )
        (folder / "README.md").write_text(card, encoding="utf-8")

    manifest = {
        "name": options.output.name,
        "engine": "baseline",
        "task": task.kind,
        "labels": list(task.labels),
        "made_with": {"scikit-learn": sklearn.__version__},
    }
    store.write(options.output, manifest, fill)


CARD = """# {name}

TF-IDF of words (1 and 2) and of characters (5, within words), one logistic regression a
label; scikit-learn, saved with joblib. Made by `python -m training.train_baseline`.

- Data: {sentences} sentences of {articles} articles, from {files}.
- Parameters, chosen by cross-validation grouped by article: {parameters}.
- Out-of-fold macro F1: {f1:.3f}, the best of {settings} settings, with thresholds set on these same
  scores, so this figure flatters.
- Limits: knows words, not sentences, so negation and metaphor mislead it.
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description="Train the TF-IDF baseline.",
        epilog="Example: python -m training.train_baseline --data train.jsonl --output runs/a",
    )
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="labelled files")
    parser.add_argument("--label-names", nargs="+", help="in the order of columns or classes")
    parser.add_argument("--test", type=Path, nargs="+", help="labelled files to score it on")
    parser.add_argument("--output", type=Path, required=True, help="model folder to write")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parse(parser, argv)
    with errors_in_one_line(parser):
        train(options)


if __name__ == "__main__":
    main()
