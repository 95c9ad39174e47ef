"""What a transformer is trained on: the options checked, and what they name read."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from datasets import Dataset

from conflict_nlp import store
from training.data import read_sentences, split_articles, warn_of_overlap
from training.metrics import scores
from training.task import Task, find_task, task_of
from training.teacher import Teacher


@dataclass
class Inputs:
    """What a run reads before it makes a model.

    Attributes
    ----------
    folder, known
        The exported model that it goes on from, and the task of that; None with a base.
    task
        What is to be learnt.
    training, development, test
        Labelled sentences; test None if there are none.
    teacher
        The larger model to learn from too, if any.
    """

    folder: store.ModelFolder | None
    known: Task | None
    task: Task
    training: Dataset
    development: Dataset
    test: Dataset | None
    teacher: Teacher | None

    @property
    def keeps_labels(self) -> bool:
        """Whether the labels are those of the model that the run goes on from."""
        known, task = self.known, self.task
        return known is not None and (task.labels, task.kind) == (known.labels, known.kind)

    def leave_for_export(self, output: Path) -> None:
        """Write what `training.export_onnx` reads; an earlier run may have left its own."""
        for left in ("development.jsonl", "calibration.json", "context.json"):
            (output / left).unlink(missing_ok=True)
        if len(self.development):
            self.development.to_json(output / "development.jsonl")
        if self.folder is not None and self.keeps_labels:
            for name in {"calibration.json", "context.json"} & self.folder.files.keys():
                (output / name).write_bytes(self.folder.file(name))


def _check_output(output: Path) -> None:
    """Raise if a folder holds what training would delete or damage, and no run has written."""
    if (output / "manifest.json").exists():
        raise ValueError(f"{output} holds an exported model, which training would damage")
    if (output / "training.json").exists() or (output / "checkpoints" / "options.json").exists():
        return
    for name in ("checkpoints", "development.jsonl", "calibration.json", "context.json"):
        if (output / name).exists():
            raise ValueError(f"{output} holds {name}, which no run has written: name a new folder")


def read_inputs(options: argparse.Namespace) -> Inputs:
    """Check the options of `training.train_transformer`, and read what they name.

    Raises
    ------
    FileNotFoundError, ModelError
        If a file is missing, or a model is missing or damaged.
    ValueError
        If options do not go together, files are of no known shape or do not fit each other, or
        nothing is left to train on.
    """
    if not 0 <= options.development < 1:
        raise ValueError(f"--development must be 0 or more and below 1, not {options.development}")
    _check_output(options.output)
    if options.development and options.development_data:
        raise ValueError("--development and --development-data do not go together")
    if options.unlabelled and not options.teacher:
        raise ValueError("--unlabelled needs --teacher, whose scores stand for labels")
    if options.teacher and options.freeze_layers:
        raise ValueError("--teacher and --freeze-layers do not go together")
    name = getattr(options, "from")
    folder = None if name is None else store.read(store.find(name))
    known = None if folder is None else task_of(folder)
    task = find_task(options.data, options.label_names, known)
    if options.keep_best:
        nothing = np.ones((1, len(task.labels)), np.bool_)
        scored = scores(nothing, nothing, task)
        if options.keep_best not in scored:
            raise ValueError(
                f"--keep-best: no score {options.keep_best!r}; known: {', '.join(scored)}"
            )
    training, development = split_articles(read_sentences(options.data, task), options.development)
    if not len(training):
        raise ValueError("no article is left to train on: give more, or hold out fewer")
    if options.development_data:
        development = read_sentences(options.development_data, task)
    if options.keep_best and not len(development):
        raise ValueError("--keep-best needs development sentences, on which it is measured")
    test = read_sentences(options.test, task) if options.test else None
    others = {"development": development, "test": test}
    warn_of_overlap(training, {name: data for name, data in others.items() if data})
    teacher = Teacher(options.teacher, task) if options.teacher else None
    return Inputs(folder, known, task, training, development, test, teacher)
