r"""Fine-tune a transformer with one sigmoid output a label.

    python -m training.train_transformer --base sentence-transformers/all-MiniLM-L6-v2 \
        --data train.jsonl --output runs/minilm

The base is a hub name or a local folder; data is any file that `training.data` reads, with hard
labels or soft targets. The output folder holds the model, the tokenizer, ``training.json``
(options, sizes, scores) and ``development.jsonl`` (the development sentences, on which
`training.export_onnx` sets calibration and thresholds). A run that was cut off goes on
with ``--resume``. ``accelerate launch -m training.train_transformer ...`` uses several GPUs.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, concatenate_datasets
from sklearn.metrics import f1_score
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    EvalPrediction,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
)

from conflict_nlp.labels import LABELS
from training.data import read_sentences, split_articles
from training.options import parse

log = logging.getLogger(__name__)


def scores(prediction: EvalPrediction) -> dict[str, float]:
    """F1 of each label at probability 0.5, and their macro mean."""
    true = np.asarray(prediction.label_ids) >= 0.5
    f1 = f1_score(true, np.asarray(prediction.predictions) >= 0.0, average=None, zero_division=0)
    return {"f1_macro": float(np.mean(f1)), **{f"f1_{n}": float(v) for n, v in zip(LABELS, f1)}}


def tokenize(data: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Dataset:
    """Replace text by token ids, and targets by the ``labels`` column that the model reads."""

    def encode(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        encoded = tokenizer(batch["text"], truncation=True, max_length=max_length)
        ids = encoded["input_ids"]
        return {
            "input_ids": ids,
            "attention_mask": encoded["attention_mask"],
            "labels": batch["targets"],
            "length": [len(row) for row in ids],
        }

    return data.map(encode, batched=True, remove_columns=data.column_names)


def freeze(model: PreTrainedModel, layers: int) -> None:
    """Keep the embeddings and the first `layers` encoder layers as they are."""
    body = model.base_model
    for parameter in body.embeddings.parameters():
        parameter.requires_grad = False
    for layer in body.encoder.layer[:layers]:
        for parameter in layer.parameters():
            parameter.requires_grad = False


def train(options: argparse.Namespace) -> dict[str, Any]:
    """Train as `options` say; return what ``training.json`` holds."""
    tokenizer = AutoTokenizer.from_pretrained(options.base)
    model = AutoModelForSequenceClassification.from_pretrained(
        options.base,
        num_labels=len(LABELS),
        id2label=dict(enumerate(LABELS)),
        label2id={label: i for i, label in enumerate(LABELS)},
        problem_type="multi_label_classification",
        ignore_mismatched_sizes=True,  # a base that was fine-tuned before brings another head
    )
    if options.freeze_layers:
        freeze(model, options.freeze_layers)
    training, development = split_articles(read_sentences(options.data), options.development)
    if options.soft_data:
        soft, _ = split_articles(read_sentences(options.soft_data), options.development)
        training = concatenate_datasets([training, soft])
    if options.development_data:
        development = read_sentences(options.development_data)
    log.info("%d training, %d development sentences", len(training), len(development))
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=str(options.output / "checkpoints"),
            num_train_epochs=options.epochs,
            learning_rate=options.learning_rate,
            per_device_train_batch_size=options.batch_size,
            per_device_eval_batch_size=64,
            warmup_steps=0.06,  # a share of all steps
            weight_decay=0.01,
            train_sampling_strategy="group_by_length",
            save_strategy="steps",
            save_steps=options.save_steps,
            save_total_limit=1,
            logging_steps=25,
            eval_strategy="epoch" if len(development) else "no",
            seed=options.seed,
            bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
            report_to="none",
        ),
        train_dataset=tokenize(training, tokenizer, options.max_length),
        eval_dataset=tokenize(development, tokenizer, options.max_length)
        if len(development)
        else None,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=scores,
    )
    began = time.monotonic()
    trainer.train(resume_from_checkpoint=options.resume or None)
    trainer.save_model(str(options.output))
    trainer.save_state()
    tokenizer.save_pretrained(str(options.output))
    record: dict[str, Any] = {
        "options": {key: _plain(value) for key, value in vars(options).items()},
        "training_sentences": len(training),
        "development_sentences": len(development),
        "seconds": round(time.monotonic() - began),
    }
    if len(development):
        prediction = trainer.predict(trainer.eval_dataset)
        record["development"] = scores(EvalPrediction(prediction.predictions, prediction.label_ids))
        development.to_json(options.output / "development.jsonl")
    (options.output / "training.json").write_text(json.dumps(record, indent=2) + "\n")
    log.info("%s", json.dumps(record.get("development", {})))
    return record


def _plain(value: Any) -> Any:
    if isinstance(value, str) and Path(value).is_dir():
        value = Path(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.name if isinstance(value, Path) else value  # folders are nobody's business


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--base", required=True, help="hub name or folder of the base model")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="labelled JSON lines")
    parser.add_argument("--soft-data", type=Path, nargs="*", help="more rows, only for training")
    parser.add_argument("--development", type=float, default=0.1, help="share of articles held out")
    parser.add_argument("--development-data", type=Path, nargs="*", help="or a file of its own")
    parser.add_argument("--output", type=Path, required=True, help="folder for the model")
    parser.add_argument("--epochs", type=float, default=4)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--max-length", type=int, default=128, help="tokens read of a sentence")
    parser.add_argument("--freeze-layers", type=int, default=0, help="lowest layers left unchanged")
    parser.add_argument("--save-steps", type=float, default=100, help="steps between checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    options = parse(parser, argv)
    options.output.mkdir(parents=True, exist_ok=True)
    train(options)


if __name__ == "__main__":
    main()
