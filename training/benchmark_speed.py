r"""Measure the speed of tagging, side by side in one run.

    python -m training.benchmark_speed --data train.jsonl --models minilm baseline \
        --checkpoint runs/minilm

Throughput is the median of several rounds over the same sentences, the engines taking turns.
``--checkpoint``, the folder of a training run, adds what its users would write first: a pipeline
of transformers in fp32 with batches of 32; onnxruntime on the graph as torch exports it; the same
with dynamic quantisation, both with batches of 32 sorted by length; and dynamic quantisation of
the fused graph.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Tokenizer
from transformers import pipeline

from conflict_nlp import store
from conflict_nlp.predict import Tagger
from training.export_onnx import export
from training.options import errors_in_one_line, parse
from training.tables import read_table

Run = Callable[[list[str]], object]
PIPELINE = "transformers pipeline, fp32"
# Seconds after which threads of the engine before no longer spin on a core.
_PAUSE = 0.5


def plain(path: Path, tokenizer: Tokenizer) -> Run:
    """Return a tagger of texts as a user of onnxruntime would write it first."""
    session = onnxruntime.InferenceSession(str(path))

    def run(texts: list[str]) -> object:
        rows = sorted((e.ids[:128] for e in tokenizer.encode_batch(texts)), key=len)
        for start in range(0, len(rows), 32):
            batch = rows[start : start + 32]
            width = max(map(len, batch))
            mask = np.array([[1] * len(row) + [0] * (width - len(row)) for row in batch], np.int64)
            ids = np.array([row + [0] * (width - len(row)) for row in batch], np.int64)
            session.run(None, {"input_ids": ids, "attention_mask": mask})
        return None

    return run


def rivals(checkpoint: Path, scratch: Path) -> dict[str, Run]:
    """Return other ways to run the model of a checkpoint, by name."""
    tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    classify = pipeline("text-classification", str(checkpoint), top_k=None, device=-1)
    runs: dict[str, Run] = {PIPELINE: lambda texts: classify(texts, batch_size=32, truncation=True)}
    for name, fused in [("plain", False), ("fused", True)]:
        exported, quantised = scratch / f"{name}.onnx", scratch / f"{name}-int8.onnx"
        export(checkpoint, exported, fused=fused)
        quantize_dynamic(
            exported,
            quantised,
            weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )
        runs[f"onnxruntime, {name} fp32"] = plain(exported, tokenizer)
        runs[f"onnxruntime, {name} dynamic int8"] = plain(quantised, tokenizer)
    return runs


def throughput(runs: dict[str, Run], texts: list[str], rounds: int) -> dict[str, float]:
    """Return sentences a second of each run, the median over the rounds."""
    measured: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run(texts[:64])
    for _ in range(rounds):
        for name, run in runs.items():
            time.sleep(_PAUSE)
            began = time.perf_counter()
            run(texts)
            measured[name].append(len(texts) / (time.perf_counter() - began))
    return {name: statistics.median(values) for name, values in measured.items()}


def latency(tagger: Tagger, text: str) -> float:
    """Return the median time of one sentence after warm-up, in milliseconds."""
    seconds = []
    for i in range(60):
        began = time.perf_counter()
        tagger.predict(f"{text} {i}")
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[10:]) * 1000


def cold(code: str, rounds: int) -> tuple[float, float]:
    """Return median seconds and peak memory in MB of a fresh process that runs `code`."""
    # The process tells its own peak: the count of a child starts with the memory of its parent.
    code += "; print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    seconds, peak = [], 0
    for _ in range(rounds):
        began = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE)
        seconds.append(time.perf_counter() - began)
        peak = max(peak, int(done.stdout))
    return statistics.median(seconds), peak / 1024


def report(options: argparse.Namespace) -> None:
    """Time the models that `options` name and print two tables."""
    records = (record for path in options.data for record in read_table(path).records)
    texts = list(dict.fromkeys(record["text"] for record in records))[: options.sentences]
    code = "from conflict_nlp.predict import predict"
    imported, _ = cold("import conflict_nlp.predict", options.rounds)
    first, _ = cold(f"{code}; predict('Rockets hit the town.')", options.rounds)
    article = "''.join(f'Rocket {i} hit the town of Velm. ' for i in range(5000))"
    _, peak = cold(f"from conflict_nlp.predict import tag_article; tag_article({article})", 1)
    taggers = {name: Tagger.from_pretrained(name, trust=True) for name in options.models}
    runs: dict[str, Run] = {name: tagger.predict for name, tagger in taggers.items()}
    with tempfile.TemporaryDirectory() as scratch:
        if options.checkpoint:
            runs |= rivals(options.checkpoint, Path(scratch))
        rates = throughput(runs, texts, options.rounds)
    print(
        f"{len(texts)} sentences, {os.cpu_count()} processors, median of {options.rounds} rounds\n"
    )
    print("| engine | sentences/s | ratio |\n|---|---|---|")
    reference = rates.get(PIPELINE, min(rates.values()))
    for name, rate in rates.items():
        print(f"| {name} | {rate:.0f} | {rate / reference:.2f} |")
    print("\n| measure | value |\n|---|---|")
    for name, tagger in taggers.items():
        if store.read(store.find(name)).manifest["engine"] == "onnx":
            print(f"| latency of one sentence, {name} | {latency(tagger, texts[0]):.1f} ms |")
    print(f"| import of conflict_nlp.predict | {imported:.2f} s |")
    print(f"| process start to first tagged sentence | {first:.2f} s |")
    print(f"| peak memory, article of 5,000 sentences | {peak:.0f} MB |")


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description="Measure the speed of tagging.",
        epilog="Example: python -m training.benchmark_speed --data train.jsonl",
    )
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="labelled JSON lines")
    parser.add_argument("--models", nargs="+", default=["minilm", "baseline"])
    parser.add_argument("--checkpoint", type=Path, help="folder of a training run to compare with")
    parser.add_argument("--sentences", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parse(parser, argv)
    with errors_in_one_line(parser):
        report(options)


if __name__ == "__main__":
    main()
