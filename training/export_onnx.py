"""Export a trained transformer to ONNX, quantise it, calibrate it, and write the model folder.

    python -m training.export_onnx --checkpoint runs/minilm --output models/minilm

Calibration, thresholds and context are set on the exported model's own logits for the development
sentences that `training.train_transformer` left in the checkpoint folder. A label with too few of
them keeps those of the model that ``--from`` named, or a threshold of 0.5.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnxruntime.transformers.fusion_options import FusionOptions
from onnxruntime.transformers.optimizer import optimize_model
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from conflict_nlp import store
from conflict_nlp.calibration import Calibration
from conflict_nlp.classifiers.onnx import OnnxClassifier
from conflict_nlp.predict import Tagger
from training.calibrate import fit, write_calibration
from training.data import read_sentences
from training.first_token import keep_first_token
from training.metrics import card_table
from training.options import errors_in_one_line, parse
from training.quantise import quantise
from training.task import Task

log = logging.getLogger(__name__)

_RANGE_SENTENCES = 2000
# Fills up the sentences for the ranges of activations, where there are few for development.
_CORPUS = Path(__file__).with_name("corpus") / "train.jsonl"


def export(checkpoint: Path, path: Path, *, fused: bool = True) -> None:
    """Write the fp32 ONNX graph of a checkpoint.

    If `fused`, attention and normalisation layers are single nodes, and the last layer is cut
    down to the token that the classifier reads.
    """
    # Eager attention has the shape that the fusion of onnxruntime knows.
    model = AutoModelForSequenceClassification.from_pretrained(
        checkpoint, attn_implementation="eager", dtype=torch.float32
    ).eval()
    ids = torch.ones(2, 8, dtype=torch.long)
    axes = {0: "batch", 1: "tokens"}
    torch.onnx.export(
        model,
        (ids, ids),
        str(path),
        input_names=["input_ids", "attention_mask"],
        output_names=["logits"],
        dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": {0: "batch"}},
        opset_version=17,
        dynamo=False,  # the fusion below knows the graphs of this exporter
    )
    if not fused:
        return
    fusion = FusionOptions("bert")
    fusion.enable_embed_layer_norm = False  # leaves the embeddings where they can be quantised
    optimised = optimize_model(
        str(path),
        model_type="bert",
        num_heads=model.config.num_attention_heads,
        hidden_size=model.config.hidden_size,
        optimization_options=fusion,
        opt_level=0,
    )
    keep_first_token(optimised.model)
    optimised.save_model_to_file(str(path))


def write_model(options: argparse.Namespace) -> None:
    """Write the model folder that `options` describe."""
    checkpoint: Path = options.checkpoint
    record = json.loads((checkpoint / "training.json").read_text())
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    if "task" not in record:
        raise ValueError(f"{checkpoint / 'training.json'} does not tell the task: train it again")
    task = Task(tuple(record["task"]["labels"]), record["task"]["kind"])
    texts: list[str] = []
    targets = np.zeros((0, len(task.labels)), np.bool_)
    development = None
    if (checkpoint / "development.jsonl").exists():
        development = read_sentences([checkpoint / "development.jsonl"], task)
        texts, targets = list(development["text"]), np.array(development["targets"]) >= 0.5
    started = Calibration.identity(task.labels, task.kind)
    if (checkpoint / "calibration.json").exists():
        kept = json.loads((checkpoint / "calibration.json").read_text())
        started = Calibration.from_dict(kept, task.kind)
    manifest = {
        "name": options.output.name,
        "engine": "onnx",
        "task": task.kind,
        "labels": list(task.labels),
        "max_length": record["options"]["max_length"],
        "pad_token_id": tokenizer.pad_token_id,
        "made_with": {"torch": torch.__version__, "onnx": onnx.__version__},
    }

    padding = {
        "padding": True,
        "truncation": True,
        "max_length": record["options"]["max_length"],
        "return_token_type_ids": False,
        "return_tensors": "np",
    }

    def fill(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            exported = Path(scratch) / "model.onnx"
            export(checkpoint, exported)
            if options.fp32:
                shutil.copy(exported, folder / "model.onnx")
            else:
                typical = [*texts, *read_sentences([_CORPUS])["text"]][:_RANGE_SENTENCES]
                batches = (
                    dict(tokenizer(typical[i : i + 8], **padding))
                    for i in range(0, len(typical), 8)
                )
                quantise(exported, folder / "model.onnx", batches)
        tokenizer.backend_tokenizer.no_truncation()
        tokenizer.backend_tokenizer.no_padding()
        tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
        shutil.copy(checkpoint / "config.json", folder / "config.json")
        files = {path.name: path.read_bytes() for path in folder.iterdir()}
        classifier = OnnxClassifier(store.ModelFolder(folder, manifest, files))
        logits, _ = classifier.logits(texts, 32)
        calibration = fit(logits, targets, task.labels, task.kind, started)
        if (checkpoint / "context.json").exists():
            shutil.copy(checkpoint / "context.json", folder)
        measured = {}
        if development is None:
            (folder / "calibration.json").write_text(json.dumps(calibration.to_dict(), indent=2))
        else:
            measured = write_calibration(folder, calibration, logits, targets, development)
        log.info("%s", json.dumps(measured, indent=1))
        card = _card(options, record, measured, task)
        (folder / "README.md").write_text(card, encoding="utf-8")

    store.write(options.output, manifest, fill)
    print(Tagger.from_pretrained(options.output).predict("At least 30 rockets hit the base."))


def _card(
    options: argparse.Namespace,
    record: dict[str, Any],
    measured: dict[str, dict[str, float]],
    task: Task,
) -> str:
    recipe = "\n".join(
        f"- {key}: {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for key, value in record["options"].items()
        if key not in ("config", "output", "resume", "save_steps") and value not in (None, [], 0)
    )
    outputs = (
        "a softmax over classes" if task.kind == "multi-class" else "one sigmoid output a label"
    )
    scores = _SCORES.format(rows=card_table(measured)) if measured else ""
    return f"""# {options.output.name}

A transformer with {outputs}, fine-tuned by `python -m training.train_transformer`
and exported to ONNX by `python -m training.export_onnx`{"" if options.fp32 else ", int8"}.

## Recipe
{recipe}
- training sentences: {record["training_sentences"]}, development: {record["development_sentences"]}
{scores}
## Limits
A tag is a statistical guess about a text and never evidence that an event took place. Read a text
before you act on it, and most of all one that is marked uncertain.
"""


_SCORES = """
## Scores on the development articles
Thresholds, calibration and context were set on these same articles, so these figures flatter.

{rows}
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description="Export a trained transformer to ONNX.",
        epilog="Example: python -m training.export_onnx --checkpoint runs/a --output runs/a-onnx",
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder of the training run")
    parser.add_argument("--output", type=Path, required=True, help="model folder to write")
    parser.add_argument("--fp32", action="store_true", help="do not quantise")
    options = parse(parser, argv)
    with errors_in_one_line(parser):
        write_model(options)


if __name__ == "__main__":
    main()
