"""Score models on held-out articles, and write a Markdown and a JSON table.

    python -m training.benchmark --data test.jsonl --models baseline minilm --output docs/benchmark

The Markdown goes between the markers of the page, if it has any; ``OUTPUT.json`` has every figure.
Intervals are 95% bootstrap intervals over articles: whole articles are drawn with replacement,
since the sentences of one article resemble each other.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from conflict_nlp import store
from conflict_nlp.predict import Tagger
from training.calibrate import expected_calibration_error
from training.data import article_groups, read_sentences
from training.options import parse
from training.progress import track

_BEGIN, _END = "<!-- table -->", "<!-- end of table -->"


def macro_f1(true: NDArray[np.bool_], given: NDArray[np.bool_]) -> float:
    """Return the mean of the labels' F1; a label with no sentence on either side counts 0."""
    both = (true & given).sum(0)
    return float(np.mean(2 * both / np.maximum(true.sum(0) + given.sum(0), 1)))


def bootstrap_interval(
    true: NDArray[np.bool_], given: NDArray[np.bool_], groups: Sequence[str], rounds: int, seed: int
) -> tuple[float, float]:
    """Return the 2.5 and 97.5 percentiles of macro F1 over resampled articles."""
    random = np.random.default_rng(seed)
    _, which = np.unique(np.asarray(groups), return_inverse=True)
    articles = which.max() + 1
    # Counts a label and article: macro F1 of a resample is a weighted sum of them.
    counts = [
        np.stack([np.bincount(which, part[:, k], articles) for k in range(true.shape[1])])
        for part in (true & given, true, given)
    ]
    drawn = random.multinomial(articles, np.full(articles, 1 / articles), size=rounds).T
    both, positives, predicted = (part @ drawn for part in counts)
    values = (2 * both / np.maximum(positives + predicted, 1)).mean(0)
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def measure(
    name: str,
    texts: list[str],
    true: NDArray[np.bool_],
    groups: Sequence[str],
    rounds: int,
    seed: int,
) -> dict[str, Any]:
    """Return every figure of one model; scores in 0..1, sizes in MB, speed in sentences/s."""
    tagger = Tagger.from_pretrained(name)
    tagger.predict(texts[:32])  # the first call is slower
    began = time.perf_counter()
    predictions = tagger.predict(texts)
    seconds = time.perf_counter() - began
    labels = tagger.labels
    given = np.array([[label in p.labels for label in labels] for p in predictions])
    scores = np.array([[p.scores[label] for label in labels] for p in predictions])
    precision, recall, f1, support = precision_recall_fscore_support(
        true, given, average=None, zero_division=0
    )
    folder = store.find(name)
    return {
        "model": name,
        "labels": {
            label: {
                "precision": round(float(precision[i]), 4),
                "recall": round(float(recall[i]), 4),
                "f1": round(float(f1[i]), 4),
                "average_precision": round(
                    float(average_precision_score(true[:, i], scores[:, i])), 4
                ),
                "calibration_error": round(expected_calibration_error(scores[:, i], true[:, i]), 4),
                "sentences": int(support[i]),
            }
            for i, label in enumerate(labels)
        },
        "macro_f1": round(macro_f1(true, given), 4),
        "macro_f1_interval": [
            round(v, 4) for v in bootstrap_interval(true, given, groups, rounds, seed)
        ],
        "size_mb": round(sum(p.stat().st_size for p in folder.iterdir()) / 1e6, 1),
        "sentences_per_second": round(len(texts) / seconds),
    }


def markdown(results: list[dict[str, Any]], sentences: int, articles: int) -> str:
    """Return the tables as Markdown."""
    lines = [
        f"{articles} held-out articles, {sentences} sentences. Macro F1 with its 95% bootstrap "
        "interval over articles.",
        "",
        "| model | macro F1 | interval | MB | sentences/s |",
        "|---|---|---|---|---|",
    ]
    for r in results:
        low, high = r["macro_f1_interval"]
        lines.append(
            f"| {r['model']} | {r['macro_f1']:.3f} | {low:.3f} to {high:.3f} "
            f"| {r['size_mb']} | {r['sentences_per_second']} |"
        )
    lines += [
        "",
        "| model | label | precision | recall | F1 | average precision | calibration error | n |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in results:
        for label, row in r["labels"].items():
            lines.append(
                f"| {r['model']} | {label} | {row['precision']:.3f} | {row['recall']:.3f} "
                f"| {row['f1']:.3f} | {row['average_precision']:.3f} "
                f"| {row['calibration_error']:.3f} | {row['sentences']} |"
            )
    return "\n".join(lines) + "\n"


def with_table(page: Path, table: str) -> str:
    """Return the page with the table between its two markers; a page without them is replaced."""
    old = page.read_text(encoding="utf-8") if page.exists() else ""
    before, opened, rest = old.partition(_BEGIN)
    _, closed, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{table}{_END}{after}" if opened and closed else table


def record(results: list[dict[str, Any]]) -> None:
    """Write each model's F1 scores into its manifest, where ``conflict-nlp models`` finds them."""
    for result in results:
        path = store.find(result["model"]) / "manifest.json"
        manifest = json.loads(path.read_text(encoding="utf-8"))
        f1 = {label: round(row["f1"], 3) for label, row in result["labels"].items()}
        manifest["scores"] = {"macro_f1": round(result["macro_f1"], 3), **f1}
        path.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description="Score models on held-out articles.")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="labelled JSON lines")
    parser.add_argument("--models", nargs="+", default=["baseline", "minilm"])
    parser.add_argument("--output", type=Path, help="writes OUTPUT.md and OUTPUT.json")
    parser.add_argument("--record", action="store_true", help="write F1 into the manifests")
    parser.add_argument("--rounds", type=int, default=2000, help="bootstrap resamples")
    parser.add_argument("--seed", type=int, default=0)
    options = parse(parser, argv)
    data = read_sentences(options.data)
    texts, groups = list(data["text"]), article_groups(data["article"])
    true = np.array(data["targets"]) >= 0.5
    results = [
        measure(name, texts, true, groups, options.rounds, options.seed)
        for name in track(options.models, "models")
    ]
    table = markdown(results, len(texts), len(set(groups)))
    print(table)
    if options.record:
        record(results)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        page = options.output.with_suffix(".md")
        page.write_text(with_table(page, table), encoding="utf-8")
        options.output.with_suffix(".json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
