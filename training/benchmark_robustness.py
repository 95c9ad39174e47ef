"""Measure what letter case and quotation marks change, on copies of held-out articles.

    python -m training.benchmark_robustness --data test.jsonl --models baseline minilm

Prints macro F1 on the articles as they are, and its change in points on each copy.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from conflict_nlp.predict import Tagger
from training.data import read_sentences
from training.metrics import scores
from training.options import errors_in_one_line, parse
from training.task import models_task

_STRAIGHT = str.maketrans("“”„‘’‚", "\"\"\"'''")


def straight(text: str) -> str:
    """Make typographic quotation marks straight."""
    return text.translate(_STRAIGHT)


def curly(text: str) -> str:
    """Make quotation marks typographic: opening ones where a word begins, else closing ones."""
    text = straight(text)
    text = re.sub(r'(^|[\s([])"', r"\1“", text).replace('"', "”")
    return re.sub(r"(^|[\s([])'", r"\1‘", text).replace("'", "’")


COPIES: dict[str, Callable[[str], str]] = {
    "all lower": str.lower,
    "all upper": str.upper,
    "straight quotes": straight,
    "curly quotes": curly,
}


def report(options: argparse.Namespace) -> None:
    """Score the models on each copy of the sentences and print a table."""
    task = models_task(options.models, options.data)
    data = read_sentences(options.data, task)
    texts, true = list(data["text"]), np.array(data["targets"]) >= 0.5
    print(f"| model | as it is | {' | '.join(COPIES)} |\n|---|---|{'---|' * len(COPIES)}")
    for name in options.models:
        tagger = Tagger.from_pretrained(name, trust=True)

        def macro(copy: list[str], tagger: Tagger = tagger) -> float:
            found = tagger.predict(copy)
            given = np.array([[label in p.labels for label in task.labels] for p in found])
            return next(iter(scores(true, given, task).values()))

        first = macro(texts)
        changes = [100 * (macro([change(t) for t in texts]) - first) for change in COPIES.values()]
        print(f"| {name} | {first:.3f} | {' | '.join(f'{c:+.1f}' for c in changes)} |")


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description="Measure what case and quotation marks change.",
        epilog="Example: python -m training.benchmark_robustness --data test.jsonl",
    )
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="labelled files")
    parser.add_argument("--models", nargs="+", default=["baseline", "minilm"])
    options = parse(parser, argv)
    with errors_in_one_line(parser):
        report(options)


if __name__ == "__main__":
    main()
