"""Measure how near the engine comes to what the processor can do, and how time and memory grow.

    python -m training.benchmark_limits --data train.jsonl --stream 1000000

Three tables: the floor (integer operations of the model against those of a bare matrix product),
the time to split and to tag texts of growing length, and the memory of a process that tags a
stream. Run with nothing beside it.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer

from conflict_nlp import store
from conflict_nlp.predict import Tagger
from conflict_nlp.sentences import split_sentences
from training.options import errors_in_one_line, parse
from training.tables import read_table

_PRODUCTS = {"MatMulIntegerToFloat": 1, "QAttention": 1, "MatMul": 1}


def operations(model: onnx.ModelProto, tokens: float) -> float:
    """Return the multiplications and additions with constant weights for one sentence."""
    sizes = {t.name: int(np.prod(t.dims)) for t in model.graph.initializer if len(t.dims) == 2}
    single: set[str] = set()  # tensors with one token a sentence
    total = 0.0
    for node in model.graph.node:
        is_cut = node.op_type == "Slice" and node.output[0].endswith("_first")
        if is_cut or single & {*node.input}:
            single.update(node.output)
        if node.op_type in _PRODUCTS and node.input[_PRODUCTS[node.op_type]] in sizes:
            times = 1 if node.output[0] in single else tokens
            total += 2 * times * sizes[node.input[_PRODUCTS[node.op_type]]]
    return total


def product_rate(rows: int = 1024, width: int = 384, columns: int = 1536) -> float:
    """Return operations a second of the integer matrix product alone, best of 20."""
    random = np.random.default_rng(0)
    weight = random.integers(-63, 64, (width, columns)).astype(np.int8)
    constants = [
        numpy_helper.from_array(value, name)
        for name, value in [
            ("weight", weight),
            ("x_scale", np.array(0.02, np.float32)),
            ("scale", np.full(columns, 0.01, np.float32)),
            ("zero", np.array(128, np.uint8)),
        ]
    ]
    node = helper.make_node(
        "MatMulIntegerToFloat",
        ["x", "weight", "x_scale", "scale", "zero"],
        ["y"],
        domain="com.microsoft",
    )
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [rows, width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, columns])],
        constants,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    x = random.integers(0, 256, (rows, width)).astype(np.uint8)
    seconds = []
    for _ in range(20):
        began = time.perf_counter()
        session.run(None, {"x": x})
        seconds.append(time.perf_counter() - began)
    return 2 * rows * width * columns / min(seconds)


def floor(name: str, texts: list[str]) -> None:
    """Print the operations of a model, the rate of the bare product, and the engine's share."""
    folder = store.read(store.find(name))
    tagger = Tagger.from_pretrained(name, trust=True)
    tokenizer = Tokenizer.from_str(folder.file("tokenizer.json").decode("utf-8"))
    tokens = statistics.mean(len(e.ids) for e in tokenizer.encode_batch_fast(texts))
    needed = operations(onnx.load_from_string(folder.file("model.onnx")), tokens)
    rates = []
    for _ in range(5):
        began = time.perf_counter()
        tagger.predict(texts)
        rates.append(len(texts) / (time.perf_counter() - began))
    rate, possible = statistics.median(rates), product_rate()
    print("| measure | value |\n|---|---|")
    print(f"| tokens of a sentence, mean | {tokens:.1f} |")
    print(f"| operations of a sentence in products with weights | {needed / 1e9:.2f} G |")
    print(f"| operations of the bare int8 product, a second | {possible / 1e9:.0f} G |")
    print(f"| floor: products alone, sentences a second | {possible / needed:.0f} |")
    print(f"| engine, sentences a second | {rate:.0f} |")
    print(f"| share of the floor | {rate * needed / possible:.0%} |\n")


def lengths(name: str, longest: int) -> None:
    """Print the time to split and to tag texts of growing length, with and without spaces."""
    tagger = Tagger.from_pretrained(name, trust=True)
    line = "Rockets hit the town of Velm on day {}, and the mayor said that nobody was hurt. "
    print(f"Seconds to split, and to split and tag by {name}.\n")
    print("| characters | split | the same, no spaces | tag | the same, no spaces |")
    print("|---|---|---|---|---|")
    for size in itertools.takewhile(lambda n: n <= longest, (10**k for k in range(4, 9))):
        cells = []
        for work in (split_sentences, tagger.tag_article):
            for text in ("".join(map(line.format, range(size // 80 + 1)))[:size], "a" * size):
                began = time.perf_counter()
                work(text)
                cells.append(f"{time.perf_counter() - began:.3f}")
        print(f"| {size} | {' | '.join(cells)} |", flush=True)
    print()


def stream(name: str, sentences: int, texts: list[str]) -> None:
    """Print the resident memory while a stream of sentences is tagged."""
    tagger = Tagger.from_pretrained(name, trust=True)

    def numbered() -> Iterator[str]:
        for number, text in enumerate(itertools.islice(itertools.cycle(texts), sentences)):
            yield f"{number} {text}"  # no two alike

    print(f"| sentences, {name} | memory, MB |\n|---|---|")
    for number, _ in enumerate(tagger.predict_iter(numbered()), 1):
        if number in (1, 10_000) or number % max(sentences // 10, 1) == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            print(f"| {number} | {pages * 4096 / 2**20:.0f} |", flush=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description="Measure floor, growth of time, and memory.",
        epilog="Example: python -m training.benchmark_limits --data train.jsonl",
    )
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="labelled JSON lines")
    parser.add_argument("--model", default="minilm", help="for the floor")
    parser.add_argument("--fast-model", default="baseline", help="for the lengths and the stream")
    parser.add_argument("--sentences", type=int, default=1000, help="for the floor")
    parser.add_argument("--longest", type=int, default=10_000_000, help="characters")
    parser.add_argument("--stream", type=int, default=1_000_000, help="sentences")
    options = parse(parser, argv)
    with errors_in_one_line(parser):
        records = (record for path in options.data for record in read_table(path).records)
        texts = list(dict.fromkeys(record["text"] for record in records))
        floor(options.model, texts[: options.sentences])
        lengths(options.fast_model, options.longest)
        stream(options.fast_model, options.stream, texts)


if __name__ == "__main__":
    main()
