"""Train the TF-IDF baseline.

    python -m training.train_baseline --data train.jsonl --output models/baseline

Parameters are chosen by cross-validation in which no article is cut in two. Calibration and
thresholds come from the out-of-fold scores of the chosen parameters.
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
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold, ParameterGrid, cross_val_predict
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import FeatureUnion, Pipeline

from conflict_nlp import store
from conflict_nlp.labels import LABELS
from training.calibrate import fit
from training.data import article_groups, read_sentences
from training.options import parse
from training.progress import track

log = logging.getLogger(__name__)

GRID = {
    "classify__estimator__C": [3.0, 10.0, 30.0],
    "classify__estimator__class_weight": [None, "balanced"],
}


def pipeline(word_features: int, character_features: int, seed: int) -> Pipeline:
    """Return the untrained classifier: word and character n-grams, one regression a label."""
    features = FeatureUnion(
        [
            (
                "words",
                TfidfVectorizer(
                    ngram_range=(1, 2),
                    sublinear_tf=True,
                    max_features=word_features,
                    dtype=np.float32,
                ),
            ),
            (
                "characters",
                TfidfVectorizer(
                    analyzer="char_wb",
                    ngram_range=(3, 5),
                    sublinear_tf=True,
                    max_features=character_features,
                    dtype=np.float32,
                ),
            ),
        ]
    )
    regression = LogisticRegression(solver="liblinear", random_state=seed)
    return Pipeline([("features", features), ("classify", OneVsRestClassifier(regression))])


def train(options: argparse.Namespace) -> None:
    """Choose parameters, train on all of the data, and write the model folder."""
    data = read_sentences(options.data)
    texts, targets = list(data["text"]), np.array(data["targets"]) >= 0.5
    groups = article_groups(data["article"])
    folds = GroupKFold(options.folds, shuffle=True, random_state=options.seed)
    model = pipeline(options.word_features, options.character_features, options.seed)
    trials = []
    for parameters in track(list(ParameterGrid(GRID)), "cross-validation"):
        model.set_params(**parameters)
        logits = cross_val_predict(
            model, texts, targets, groups=groups, cv=folds, method="decision_function", n_jobs=-1
        ).astype(np.float32)
        calibration = fit(logits, targets, LABELS)
        given = calibration.scores(logits) >= calibration.thresholds
        f1 = f1_score(targets, given, average="macro", zero_division=0)
        log.info("%s: out-of-fold macro F1 %.4f", parameters, f1)
        trials.append((f1, parameters, calibration))
    f1, parameters, calibration = max(trials, key=lambda trial: trial[0])
    log.info("chosen: %s", parameters)
    model.set_params(**parameters).fit(texts, targets)

    def fill(folder: Path) -> None:
        joblib.dump(model, folder / "model.joblib", compress=("lzma", 6))
        (folder / "calibration.json").write_text(json.dumps(calibration.to_dict(), indent=2))
        card = CARD.format(
            sentences=len(texts), articles=len(set(groups)), f1=f1, parameters=parameters
        )
        (folder / "README.md").write_text(card, encoding="utf-8")

    manifest = {
        "name": options.output.name,
        "engine": "baseline",
        "labels": list(LABELS),
        "made_with": {"scikit-learn": sklearn.__version__},
    }
    store.write(options.output, manifest, fill)


CARD = """# baseline

TF-IDF of words (1 and 2) and of characters (3 to 5, within words), one logistic regression a
label; scikit-learn, saved with joblib. Made by `python -m training.train_baseline`.

- Data: {sentences} sentences of {articles} articles; see `docs/data.md`.
- Parameters, chosen by cross-validation grouped by article: {parameters}.
- Out-of-fold macro F1: {f1:.3f}. Scores on held-out articles: `docs/benchmark.md`.
- Limits: English news; knows words, not sentences, so negation and metaphor mislead it.
- Licence: Apache-2.0.
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Train the TF-IDF baseline.")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="labelled JSON lines")
    parser.add_argument("--output", type=Path, required=True, help="model folder to write")
    parser.add_argument("--word-features", type=int, default=60_000)
    parser.add_argument("--character-features", type=int, default=60_000)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    train(parse(parser, argv))


if __name__ == "__main__":
    main()
