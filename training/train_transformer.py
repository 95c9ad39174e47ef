r"""Fine-tune a transformer with one sigmoid output a label, or a softmax over classes.

    python -m training.train_transformer --base sentence-transformers/all-MiniLM-L6-v2 \
        --data train.jsonl --output runs/minilm
    python -m training.train_transformer --from default --data sheet.csv --development 0 \
        --output runs/mine

The base is a hub name or a local folder; ``--from`` names an exported model in its place. Data is
any file that `training.data` reads, with hard labels or soft targets. The output folder holds the
model, the tokenizer, ``training.json`` (options, sizes, scores) and ``development.jsonl`` (the
development sentences, on which `training.export_onnx` sets calibration, thresholds and context). A
run that was cut off goes on with ``--resume`` and the same options. ``accelerate launch -m
training.train_transformer ...`` uses several GPUs.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import (
    DataCollatorWithPadding,
    EvalPrediction,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
    set_seed,
)

from training.checkpoints import SameOrder, begin, plain
from training.data import thin
from training.frozen import LowerLayers
from training.inputs import Inputs, read_inputs
from training.metrics import scores, uncalibrated
from training.options import errors_in_one_line, parse
from training.output_layer import fit_output_layer
from training.start import readable_tokens, start
from training.task import Task
from training.teacher import Student, StudentTrainer, teach, unlabelled

log = logging.getLogger(__name__)

_STARTS = ("base", "from")


def measure(prediction: EvalPrediction, task: Task) -> dict[str, float]:
    """Return the F1 scores of `training.metrics.scores`, labels given at probability 0.5."""
    true = np.asarray(prediction.label_ids)
    if task.kind == "multi-class":
        true = np.eye(len(task.labels))[true]
    return scores(true >= 0.5, uncalibrated(np.asarray(prediction.predictions), task), task)


def tokenize(
    data: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int, kind: str = "multi-label"
) -> Dataset:
    """Replace text by token ids, and targets by the ``labels`` column that the model reads."""

    def encode(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        encoded = tokenizer(batch["text"], truncation=True, max_length=max_length)
        ids = encoded["input_ids"]
        targets = batch["targets"]
        if kind == "multi-class":
            targets = [int(np.argmax(row)) for row in targets]
        return {
            "input_ids": ids,
            "attention_mask": encoded["attention_mask"],
            "labels": targets,
            "length": [len(row) for row in ids],
        }

    return data.map(encode, batched=True, remove_columns=data.column_names)


def has_bfloat16() -> bool:
    """Tell whether the GPU, or without one the processor, multiplies in bfloat16."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Older versions of torch do not tell.
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16"))


def trainer_arguments(
    options: argparse.Namespace, bfloat16: bool, evaluates: bool
) -> TrainingArguments:
    """Return how the Trainer is to train; it evaluates after each epoch, if at all."""
    arguments = TrainingArguments(
        output_dir=str(options.output / "checkpoints"),
        num_train_epochs=options.epochs,
        learning_rate=options.learning_rate,
        per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=64,
        warmup_steps=0.06,  # a share of all steps
        weight_decay=0.01,
        train_sampling_strategy="group_by_length",
        save_strategy="epoch" if options.keep_best else "steps",
        load_best_model_at_end=options.keep_best is not None,
        metric_for_best_model=options.keep_best,
        greater_is_better=True,
        # The map to the teacher's vectors stands beside the model's output, and would not be found.
        ddp_find_unused_parameters=False if options.teacher else None,
        save_steps=options.save_steps,
        save_total_limit=1,
        logging_steps=25,
        eval_strategy="epoch" if evaluates else "no",
        seed=options.seed,
        bf16=bfloat16,
        use_cpu=not torch.cuda.is_available(),
        remove_unused_columns=not (options.freeze_layers or options.teacher),
        report_to="none",
    )
    # A process has one GPU: on several, torch would multiply the batch and split it.
    arguments._n_gpu = min(1, arguments.n_gpu)
    return arguments


def train(options: argparse.Namespace) -> dict[str, Any]:
    """Train as `options` say; return what ``training.json`` holds."""
    inputs = read_inputs(options)
    task, training = inputs.task, inputs.training
    development, test = inputs.development, inputs.test
    model, tokenizer, is_new = _model(options, inputs)
    if options.at_most:
        training = thin(training, options.at_most, options.seed)
    began = time.monotonic()
    bfloat16 = has_bfloat16()
    arguments = trainer_arguments(options, bfloat16, len(development) > 0)
    model.to(arguments.device)
    lower = LowerLayers(model, options.freeze_layers) if options.freeze_layers else None
    apart = [data for data in (training, development, test) if data is not None]
    texts = unlabelled(options.unlabelled or (), apart)
    begin(options, task, arguments, texts)
    student = None
    if inputs.teacher is not None:
        training, vectors = teach(training, texts, inputs.teacher)
        student = Student(model, vectors)
    log.info("%d training, %d development sentences", len(training), len(development))

    def encode(data: Dataset) -> Dataset:
        data = tokenize(data, tokenizer, options.max_length, task.kind)
        with torch.autocast(model.device.type, torch.bfloat16, enabled=bfloat16):
            return data if lower is None else lower.run(data)

    learning = encode(training)
    collate = lower or DataCollatorWithPadding(tokenizer)
    if is_new and not options.resume:
        with torch.autocast(model.device.type, torch.bfloat16, enabled=bfloat16):
            targets = np.array(training["targets"]) >= 0.5
            fit_output_layer(model, learning, collate, targets, task.kind, options.seed)
    if student is not None and not options.resume:
        with torch.autocast(model.device.type, torch.bfloat16, enabled=bfloat16):
            student.start(learning, collate, options.seed)
    encoded = {"development": encode(development)} if len(development) else {}
    if test is not None:
        encoded["test"] = encode(test)
    trainer = (Trainer if student is None else partial(StudentTrainer, student))(
        model=model,
        args=arguments,
        train_dataset=learning,
        eval_dataset=encoded.get("development"),
        data_collator=collate,
        compute_metrics=partial(measure, task=task),
    )
    trainer.add_callback(SameOrder)
    trainer.train(resume_from_checkpoint=options.resume or None)
    if options.keep_best and trainer.state.best_model_checkpoint is None:
        log.warning("the checkpoint of the best epoch is gone: the last epoch is kept")
    elif options.keep_best:
        log.info("kept the epoch with %s %.4f", options.keep_best, trainer.state.best_metric)
    seconds = round(time.monotonic() - began)
    predictions = {name: trainer.predict(data) for name, data in encoded.items()}
    if lower is not None:
        lower.put_back()
    if student is not None:
        student.take_off()
    trainer.save_model(str(options.output))
    trainer.save_state()
    tokenizer.save_pretrained(str(options.output))
    record: dict[str, Any] = {
        "options": {key: plain(value) for key, value in vars(options).items()},
        "task": {"labels": task.labels, "kind": task.kind},
        "training_sentences": len(training),
        "development_sentences": len(development),
        "seconds": seconds,
        "bfloat16": bfloat16,
        "epochs": [
            {key[5:]: value for key, value in step.items() if key.startswith("eval_f1")}
            for step in trainer.state.log_history
            if "eval_loss" in step
        ],
    }
    inputs.leave_for_export(options.output)
    for name, prediction in predictions.items():
        found = EvalPrediction(prediction.predictions, prediction.label_ids)
        record[name] = measure(found, task)
        print(name, json.dumps(record[name], indent=1))
    (options.output / "training.json").write_text(json.dumps(record, indent=2) + "\n")
    return record


def _model(
    options: argparse.Namespace, inputs: Inputs
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, bool]:
    """Return the model to train, its tokenizer, and whether its output layer is new.

    Sets ``options.max_length`` to the tokens that are read of a text.
    """
    folder, known, task = inputs.folder, inputs.known, inputs.task
    manifest = {} if folder is None else folder.manifest
    options.max_length = options.max_length or manifest.get("max_length", 128)
    set_seed(options.seed)  # a new output layer starts at random
    model, tokenizer, is_new = start(options.base if folder is None else folder, task)
    if known is not None and not inputs.keeps_labels:
        is_new = True
        log.warning(
            "the output layer is made new: the model has the labels %s (%s), the data %s (%s)",
            *(", ".join(known.labels), known.kind, ", ".join(task.labels), task.kind),
        )
    positions = readable_tokens(model)
    if positions is not None and positions < options.max_length:
        log.warning("the model reads at most %d tokens of a text", positions)
        options.max_length = positions
    return model, tokenizer, is_new


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0] if __doc__ else None,
        usage="python -m training.train_transformer --data FILE --output FOLDER [options]",
        epilog="Example: python -m training.train_transformer --from default --data sheet.csv "
        "--development 0 --output runs/a",
    )
    parser.add_argument("--base", help="hub name or folder of the base model")
    parser.add_argument("--from", help="or name or folder of an exported model to train on")
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="labelled files")
    parser.add_argument("--label-names", nargs="+", help="in the order of columns or classes")
    parser.add_argument("--teacher", help="name or folder of a larger model to learn from too")
    parser.add_argument(
        "--unlabelled", nargs="*", help="files or folders of articles that only it labels"
    )
    parser.add_argument("--development", type=float, default=0.1, help="share of articles held out")
    parser.add_argument(
        "--development-data", type=Path, nargs="*", help="or files of its own, and none held out"
    )
    parser.add_argument("--test", type=Path, nargs="+", help="labelled files to score it on")
    parser.add_argument("--output", type=Path, required=True, help="folder for the model")
    parser.add_argument("--epochs", type=float, default=4)
    parser.add_argument(
        "--keep-best",
        metavar="SCORE",
        help="keep the epoch with the best f1_macro, say",
    )
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument(
        "--max-length", type=int, help="tokens read of a text; default: 128, or that of --from"
    )
    parser.add_argument("--freeze-layers", type=int, default=0, help="lowest layers left unchanged")
    parser.add_argument(
        "--at-most", type=int, help="sentences kept of those with the same rarest label"
    )
    parser.add_argument("--save-steps", type=float, default=100, help="steps between checkpoints")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    options = parse(parser, argv)
    # A start from --config gives way to one from the command line.
    configured = {name: parser.get_default(name) == getattr(options, name) for name in _STARTS}
    if sum(configured.values()) == 1:
        setattr(options, next(name for name in _STARTS if configured[name]), None)
    if (options.base is None) == (getattr(options, "from") is None):
        parser.error("give either --base or --from")
    # A share from --config gives way to files from the command line.
    if options.development_data and options.development is parser.get_default("development"):
        options.development = 0.0
    options.output.mkdir(parents=True, exist_ok=True)
    with errors_in_one_line(parser):
        train(options)


if __name__ == "__main__":
    main()
