"""Score models on held-out articles, and write a Markdown and a JSON table.

    python -m training.benchmark --data test.jsonl --models baseline minilm --output docs/benchmark
    python -m training.benchmark --data test.jsonl --compare default runs/mine-onnx

The Markdown goes between the markers of the page, if it has any; ``OUTPUT.json`` has every figure.
``--compare`` prints how a new model differs from an old one on the same articles.
Intervals are 95% bootstrap intervals over articles: whole articles are drawn with replacement,
since the sentences of one article resemble each other.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conflict_nlp import store
from conflict_nlp.predict import Tagger
from training.compare import compare
from training.data import article_groups, read_sentences, texts_by_article
from training.metrics import (
    FEW_ARTICLES,
    bootstrap_intervals,
    by_article,
    by_label,
    by_source,
    expected_calibration_error,
)
from training.options import errors_in_one_line, parse
from training.progress import track
from training.task import models_task

_BEGIN, _END = "<!-- table -->", "<!-- end of table -->"
_IN_ARTICLE = ", in article"


def measure(
    name: str,
    labels: Sequence[str],
    articles: Sequence[Sequence[str]],
    true: NDArray[np.bool_],
    groups: Sequence[str],
    rounds: int,
    seed: int,
    *,
    in_article: bool = False,
) -> tuple[dict[str, Any], NDArray[np.float64]]:
    """Return every figure of one model (sizes in MB, speed in sentences/s), and its scores.

    Each sentence of `articles` is tagged on its own, or seen in its article; `labels` names the
    columns of `true` and of the scores.
    """
    tagger = Tagger.from_pretrained(name, trust=True)
    texts = list(chain.from_iterable(articles))
    tagger.predict(texts[:32])  # the first call is slower
    began = time.perf_counter()
    if in_article:
        predictions = list(chain.from_iterable(tagger.predict_articles(articles)))
    else:
        predictions = tagger.predict(texts)
    seconds = time.perf_counter() - began
    given = np.array([[label in p.labels for label in labels] for p in predictions])
    scores = np.array([[p.scores[label] for label in labels] for p in predictions])
    values = by_label(true, given, scores, np.ones(len(true)))
    intervals = bootstrap_intervals(true, given, scores, groups, rounds, seed)
    found = by_article(true, given, groups)
    doubtful = np.array([[label in p.uncertain_labels for label in labels] for p in predictions])
    wrong = given != true
    folder = store.find(name)
    return {
        "model": name + _IN_ARTICLE * in_article,
        "labels": {
            label: {
                **{name: _round(value[i]) for name, value in values.items()},
                **{
                    f"{name}_interval": [_round(end) for end in intervals[name][i]]
                    for name in ("precision", "recall", "f1")
                },
                "calibration_error": _round(expected_calibration_error(scores[:, i], true[:, i])),
                "sentences": int(true[:, i].sum()),
                "tagged": int(given[:, i].sum()),
                "expected": round(float(scores[:, i].sum()), 1),
                "uncertain": _round(doubtful[:, i].mean()),
                "wrong_if_uncertain": _share(wrong[doubtful[:, i], i]),
                "wrong_if_certain": _share(wrong[~doubtful[:, i], i]),
            }
            for i, label in enumerate(labels)
        },
        "macro": {
            mean: {
                "value": _round(value.mean()),
                "interval": [_round(end) for end in intervals[mean][-1]],
            }
            for mean, value in values.items()
        },
        "articles": {
            label: {
                **{name: _round(found[name][i]) for name in ("precision", "recall", "f1")},
                "articles": int(found["articles"][i]),
            }
            for i, label in enumerate(labels)
        },
        "size_mb": round(sum(p.stat().st_size for p in folder.iterdir()) / 1e6, 1),
        "sentences_per_second": round(len(texts) / seconds),
        "sources": by_source(true, given, groups),
    }, scores


def _round(value: float) -> float:
    return round(float(value), 4)


def _share(values: NDArray[np.bool_]) -> float | None:
    return _round(values.mean()) if len(values) else None


_ABSENT = " A label that no sentence has or is given counts 0."
_TOO_FEW = f" {FEW_ARTICLES} are needed for intervals that are wide enough: label more."


def markdown(results: list[dict[str, Any]], sentences: int, articles: int) -> str:
    """Return the tables as Markdown."""
    means = ("f1", "precision", "recall", "average_precision")
    rows = [row for r in results for row in r["labels"].values()]
    lines = [
        f"{articles} held-out articles, {sentences} sentences. Macro means over the labels, and F1 "
        "of each label, with 95% bootstrap intervals over articles."
        + _TOO_FEW * (articles < FEW_ARTICLES)
        + _ABSENT * any(not row["sentences"] + row["tagged"] for row in rows),
        "",
        "| model | macro F1 | precision | recall | average precision | MB | sentences/s |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in results:
        cells = [_in_interval(r["macro"][m]["value"], r["macro"][m]["interval"]) for m in means]
        lines.append(
            f"| {r['model']} | {' | '.join(cells)} | {r['size_mb']} | {r['sentences_per_second']} |"
        )
    lines += [
        "",
        "| model | label | precision | recall | F1 | average precision | calibration error "
        "| n | tagged | expected |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for r in results:
        for label, row in r["labels"].items():
            lines.append(
                f"| {r['model']} | {label} | {row['precision']:.3f} | {row['recall']:.3f} "
                f"| {_in_interval(row['f1'], row['f1_interval'])} | {row['average_precision']:.3f} "
                f"| {row['calibration_error']:.3f} | {row['sentences']} | {row['tagged']} "
                f"| {row['expected']:.0f} |"
            )
    lines += ["", *_article_table(results)]
    lines += [
        "",
        f"| source | sentences | {' | '.join(r['model'] for r in results)} |",
        f"|---|---|{'---|' * len(results)}",
    ]
    for source, row in results[0]["sources"].items():
        cells = [f"{r['sources'][source]['macro_f1']:.3f}" for r in results]
        lines.append(f"| {source} | {row['sentences']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _in_interval(value: float, interval: Sequence[float]) -> str:
    return "{:.3f} ({:.3f} to {:.3f})".format(value, *interval)


def _article_table(results: list[dict[str, Any]]) -> list[str]:
    """Return the lines on articles and doubt; of each model the row that sees articles, if any."""
    lines = [
        "Whole articles: one has a label, or is given it, if at least one of its sentences has, or "
        "is; n is the number of articles that have it. Behind them the share of sentences for "
        "which the label is marked uncertain, given or not, and how many of these, and of all "
        "others, are wrong.",
        "",
        "| model | label | articles: precision | recall | F1 | n "
        "| uncertain | wrong if uncertain | wrong if not |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    names = {r["model"] for r in results}
    for r in results:
        if r["model"] + _IN_ARTICLE in names:
            continue
        for label, row in r["articles"].items():
            doubt = r["labels"][label]
            ends = (doubt[key] for key in ("wrong_if_uncertain", "wrong_if_certain"))
            shares = " | ".join("-" if end is None else f"{end:.3f}" for end in ends)
            lines.append(
                f"| {r['model']} | {label} | {row['precision']:.3f} | {row['recall']:.3f} "
                f"| {row['f1']:.3f} | {row['articles']} | {doubt['uncertain']:.3f} | {shares} |"
            )
    return lines


def with_table(page: Path, table: str) -> str:
    """Return the page with the table between its two markers; a page without them is replaced."""
    old = page.read_text(encoding="utf-8") if page.exists() else ""
    before, opened, rest = old.partition(_BEGIN)
    _, closed, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{table}{_END}{after}" if opened and closed else table


def record(results: list[dict[str, Any]]) -> None:
    """Write each model's F1 scores into its manifest, where ``conflict-nlp models`` finds them.

    They are those of sentences alone, which all models have.
    """
    for result in results:
        if result["model"].endswith(_IN_ARTICLE):
            continue
        path = store.find(result["model"]) / "manifest.json"
        manifest = json.loads(path.read_text(encoding="utf-8"))
        f1 = {label: round(row["f1"], 3) for label, row in result["labels"].items()}
        manifest["scores"] = {"macro_f1": round(result["macro"]["f1"]["value"], 3), **f1}
        path.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def report(options: argparse.Namespace) -> None:
    """Score the models that `options` name; print, record and plot what they ask for."""
    if options.compare:
        print(compare(options.compare, options.data, options.rounds, options.seed))
        return
    task = models_task(options.models, options.data)
    data = read_sentences(options.data, task)
    articles = texts_by_article(data)
    groups = article_groups(data["article"])
    true = np.array(data["targets"]) >= 0.5
    results, scores = [], {}
    for name in track(options.models, "models"):
        has_context = "context.json" in store.read(store.find(name)).files
        for in_article in [False, True] if has_context else [False]:
            result, found = measure(
                *(name, task.labels, articles, true, groups, options.rounds, options.seed),
                in_article=in_article,
            )
            results.append(result)
            scores[result["model"]] = found
    table = markdown(results, len(data), len(set(groups)))
    print(table)
    if options.record:
        record(results)
    if options.plots:
        from training.plots import plot  # matplotlib takes long to import

        plot(options.plots, task.labels, true, scores)
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        stem = str(options.output).removesuffix(".md")  # a name may have other points in it
        page = Path(f"{stem}.md")
        page.write_text(with_table(page, table), encoding="utf-8")
        Path(f"{stem}.json").write_text(json.dumps(results, indent=2) + "\n")


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description="Score models on held-out articles.",
        epilog="Example: python -m training.benchmark --data test.jsonl --compare default runs/a",
    )
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="labelled files")
    parser.add_argument(
        "--models", nargs="+", default=["baseline", "minilm"], help="names or folders"
    )
    parser.add_argument(
        "--compare", nargs=2, metavar=("OLD", "NEW"), help="print how two models differ, no more"
    )
    parser.add_argument("--output", type=Path, help="writes OUTPUT.md and OUTPUT.json")
    parser.add_argument("--plots", type=Path, help="folder for curves and diagrams, as PNG")
    parser.add_argument("--record", action="store_true", help="write F1 into the manifests")
    parser.add_argument("--rounds", type=int, default=1000, help="bootstrap resamples")
    parser.add_argument("--seed", type=int, default=0, help="of the resampling")
    options = parse(parser, argv)
    if options.compare and (options.output or options.record or options.plots):
        parser.error("--compare prints, and takes no --output, --record or --plots")
    with errors_in_one_line(parser):
        report(options)


if __name__ == "__main__":
    main()
