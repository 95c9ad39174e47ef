"""Set calibration, thresholds and context on articles that a model has not learnt from.

    python -m training.calibrate --model default --data mine.jsonl --output runs/calibrated

writes a copy of a model folder whose scores fit the articles of `mine.jsonl`, every sentence of
which must be labelled: calibration, thresholds, the uncertain band, and, where enough articles show
that it helps, how the sentences around one move its scores. The model itself stays as it is.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from conflict_nlp import classifiers, store
from conflict_nlp.calibration import BEND, Calibration, probabilities
from conflict_nlp.context import Context
from training.context import fit_context, seen_in_article
from training.data import read_sentences
from training.metrics import card_table, measure
from training.options import errors_in_one_line, parse
from training.task import models_task

log = logging.getLogger(__name__)

_MOST_WRONG = 0.25
_FEWEST = 10


def fit(
    logits: NDArray[np.float32],
    targets: NDArray[np.bool_],
    labels: Sequence[str],
    task: str = "multi-label",
    start: Calibration | None = None,
) -> Calibration:
    """Fit scale, bias, tails, threshold and uncertain band of each label.

    Parameters
    ----------
    logits
        float32 [n, labels], from sentences that the model was not trained on.
    targets
        bool [n, labels].
    labels
        Names of the columns.
    task
        ``"multi-label"``, or ``"multi-class"`` where exactly one label holds.
    start
        What to keep, with a warning, for labels that hold in fewer than 10 sentences, or in all
        but fewer than 10; of classes, if there are fewer than 10 sentences. Labels whose logits
        are no higher where they hold keep it too, or plain sigmoids without it.

    Raises
    ------
    ValueError
        If a label has no positive or no negative sentence, and there is no `start`.
    """
    if task == "multi-class":
        return _fit_classes(logits, targets, start or Calibration.identity(labels, task))
    rows: dict[str, Any] = {}
    for column, label in enumerate(labels):
        true = targets[:, column]
        if start is not None and min(true.sum(), (~true).sum()) < _FEWEST:
            log.warning("%s: too few development sentences to calibrate on", label)
            rows[label] = start.to_dict()[label]
            continue
        if true.all() or not true.any():
            raise ValueError(f"the development articles have only one value of {label!r}")
        fitted = _fit_scores(logits[:, column], true)
        if fitted is None:
            log.warning("%s: logits are no higher where it holds; not calibrated", label)
            rows[label] = (start or Calibration.identity(labels)).to_dict()[label]
            continue
        row = {**fitted, "threshold": 0.5, "uncertain": (1, 0)}
        scores = Calibration.from_dict({label: row}).scores(logits[:, [column]])[:, 0]
        row["threshold"] = best_threshold(scores, true)
        row["uncertain"] = uncertain_band(scores, true, row["threshold"])
        rows[label] = row
    return Calibration.from_dict(rows)


def _fit_scores(logits: NDArray[np.float32], true: NDArray[np.bool_]) -> dict[str, Any] | None:
    """Return scale, bias and tails: a logistic regression on a logit that bends twice.

    Where a score would fall as its logit rises, there are no bends (Platt scaling); None where it
    would fall even then.
    """
    outside = logits - np.clip(logits, -BEND, BEND)
    bent = np.stack([logits, np.minimum(outside, 0), np.maximum(outside, 0)], axis=1)
    # The penalty keeps few sentences from bending much.
    fitted = LogisticRegression(C=1.0).fit(bent, true)
    scale, *bends = fitted.coef_[0]
    if min(scale, scale + bends[0], scale + bends[1]) <= 0:
        fitted = LogisticRegression(C=1e4).fit(logits[:, None], true)
        scale, bends = fitted.coef_[0, 0], [0, 0]
        if scale <= 0:
            return None
    tails = [scale + bend for bend in bends]
    return {"scale": scale, "bias": fitted.intercept_[0], "tails": tails}


def _fit_classes(
    logits: NDArray[np.float32], targets: NDArray[np.bool_], start: Calibration
) -> Calibration:
    """Fit one scale for all classes: that with the greatest likelihood (temperature scaling)."""
    if len(logits) < _FEWEST:
        log.warning("too few development sentences to calibrate on")
        return start
    plain = Calibration.identity(start.labels, "multi-class")
    candidates = [
        replace(plain, scale=plain.scale * np.float32(scale), tails=plain.tails * np.float32(scale))
        for scale in np.geomspace(0.1, 5, 161)
    ]
    losses = [-np.log(candidate.scores(logits)[targets]).mean() for candidate in candidates]
    found = candidates[int(np.argmin(losses))]
    scores = found.scores(logits)
    bands = [uncertain_band(scores[:, i], targets[:, i], 0.5) for i in range(len(start.labels))]
    return replace(found, uncertain=np.array(bands, np.float32))


def best_threshold(scores: NDArray[np.floating], true: NDArray[np.bool_]) -> float:
    """Return the threshold in 0.2..0.8 with the best F1, smoothed over its neighbours.

    F1 as a function of the threshold is ragged on few sentences; the mean over a window of
    +-0.05 keeps one lucky sentence from setting the threshold. Of equals it is the middle one.
    """
    grid = np.round(np.arange(0.10, 0.91, 0.01), 2)
    given = scores[None, :] >= grid[:, None]
    f1 = 2 * (given & true).sum(1) / np.maximum(given.sum(1) + true.sum(), 1)
    smooth = np.convolve(f1, np.ones(11) / 11, mode="same")
    inside = slice(10, 71)
    best = np.flatnonzero(smooth[inside] > smooth[inside].max() - 1e-9)
    return float(grid[inside][best[len(best) // 2]])


def uncertain_band(
    scores: NDArray[np.floating], true: NDArray[np.bool_], threshold: float
) -> tuple[float, float]:
    """Return lowest and highest score between which tags are wrong more than one time in four.

    The share of true sentences at each score comes from isotonic regression. Below the threshold
    the model is wrong where that share is over 1/4, from the threshold on where it is under 3/4.
    """
    grid = np.linspace(0, 1, 1001)
    share = IsotonicRegression(out_of_bounds="clip").fit(scores, true).predict(grid)
    wrong = np.where(grid < threshold, share, 1 - share)
    inside = grid[wrong > _MOST_WRONG]
    return (float(inside.min()), float(inside.max())) if inside.size else (1.0, 0.0)


def write_calibration(
    folder: Path,
    calibration: Calibration,
    logits: NDArray[np.float32],
    targets: NDArray[np.bool_],
    sentences: Dataset,
) -> dict[str, dict[str, float]]:
    """Write ``calibration.json``, and ``context.json`` if the sentences show that context helps.

    Without such proof a ``context.json`` that is there stays as it is.

    Parameters
    ----------
    folder
        Where to.
    calibration
        What `fit` returned.
    logits, targets
        What it was fitted on.
    sentences
        Their rows, as `training.data.read_sentences` returns them.

    Returns
    -------
    dict
        What `training.metrics.measure` returns, and ``F1 in article`` with a context.
    """
    (folder / "calibration.json").write_text(json.dumps(calibration.to_dict(), indent=2))
    log_odds = calibration.log_odds(logits)
    measured = measure(calibration, probabilities(log_odds), targets)
    if calibration.task != "multi-label":
        return measured
    path = folder / "context.json"
    context = fit_context(log_odds, targets, sentences, calibration.labels)
    if context is not None:
        path.write_text(json.dumps(context.to_dict(), indent=2))
    elif path.exists():
        log.info("context: that of the model it came from stays")
        context = Context.from_dict(json.loads(path.read_text()))
    if context is not None:
        seen = probabilities(seen_in_article(context, log_odds, sentences))
        for label, row in measure(calibration, seen, targets).items():
            measured[label]["F1 in article"] = row["F1"]
    return measured


def write_calibrated(options: argparse.Namespace) -> None:
    """Write the calibrated copy that `options` describe; print what changed on its articles."""
    source = store.read(store.find(options.model))
    task = models_task([options.model], options.data)
    data = read_sentences(options.data, task)
    targets = np.array(data["targets"]) >= 0.5
    logits, _ = classifiers.load(source).logits(list(data["text"]), 32)
    before = Calibration.from_dict(source.json("calibration.json"), task.kind)
    after = fit(logits, targets, task.labels, task.kind, before)

    measured = {"before": measure(before, before.scores(logits), targets)}

    def fill(folder: Path) -> None:
        for name, content in source.files.items():
            (folder / name).write_bytes(content)
        measured["after"] = write_calibration(folder, after, logits, targets, data)
        card = _CARD.format(
            name=options.output.name,
            source=Path(options.model).name,
            files=", ".join(path.name for path in options.data),
            sentences=len(data),
            rows=card_table(measured["after"]),
        )
        if (source.path / "README.md").is_file():
            text = (source.path / "README.md").read_text(encoding="utf-8")
            card += f"\nIts own card, whose thresholds and scores no longer hold:\n\n{text}"
        (folder / "README.md").write_text(card, encoding="utf-8")

    stale = ("format_version", "files", "scores")  # the first two are for `store.write`
    manifest = {key: value for key, value in source.manifest.items() if key not in stale}
    store.write(options.output, manifest | {"name": options.output.name}, fill)
    for name, values in measured.items():
        print(name, json.dumps(values, indent=1))


_CARD = """# {name}

The model {source}, its calibration and thresholds set anew by `python -m training.calibrate` on
{sentences} sentences of {files}; on these same sentences, so that these figures flatter:

{rows}
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description="Set the calibration of a model anew.",
        epilog="Example: python -m training.calibrate --model default --data mine.jsonl "
        "--output runs/a",
    )
    parser.add_argument("--model", default="default", help="name or folder")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="labelled files")
    parser.add_argument("--output", type=Path, required=True, help="model folder to write")
    options = parse(parser, argv)
    with errors_in_one_line(parser):
        write_calibrated(options)


if __name__ == "__main__":
    main()
