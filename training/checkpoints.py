"""What a run that was cut off goes on from, and whether it is the same run."""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerState, TrainingArguments

from training.task import Task

log = logging.getLogger(__name__)

# Options that change nothing in what is learnt.
_FREE = {"config", "output", "resume", "save_steps", "test"}


class SameOrder(TrainerCallback):  # type: ignore[misc]  # transformers is not checked
    """Makes the order of an epoch depend on seed and epoch alone.

    Otherwise a run that goes on within a later epoch reads some texts twice and others not at all.
    """

    def on_epoch_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        *_: Any,
        train_dataloader: Any,
        **__: Any,
    ) -> None:
        """Seed the sampler of the training data."""
        batches = train_dataloader.batch_sampler
        sampler = getattr(batches, "batch_sampler", batches).sampler  # of one process of several
        sampler.generator = torch.Generator().manual_seed(args.seed + int(state.epoch or 0))


def begin(
    options: argparse.Namespace,
    task: Task,
    arguments: TrainingArguments,
    unlabelled: Sequence[str] = (),
) -> None:
    """Delete the checkpoints of an earlier run and write down what decides this one.

    With ``--resume`` they stay, and what decided the run is compared.

    Raises
    ------
    ValueError
        If the run that goes on had other options, other data or other labels.
    """
    chosen = {key: _content(value) for key, value in vars(options).items() if key not in _FREE}
    chosen["label_names"] = list(task.labels)
    joined = "\n".join(unlabelled).encode("utf-8", "replace")
    chosen["unlabelled"] = f"sha256 {hashlib.sha256(joined).hexdigest()}"
    folder = Path(arguments.output_dir)
    path = folder / "options.json"
    if not options.resume and arguments.should_save:
        (options.output / "training.json").unlink(missing_ok=True)  # or it would tell of this run
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(chosen, indent=2) + "\n")
    elif options.resume and not path.exists():
        log.warning("%s is missing: the run may have had other options", path)
    elif options.resume:
        before = json.loads(path.read_text())
        other = [key for key in before if key in chosen and before[key] != chosen[key]]
        if other:
            names = ", ".join(f"--{key.replace('_', '-')}" for key in other)
            raise ValueError(f"--resume: the run in {folder.parent} had another {names}")


def _content(value: Any) -> Any:
    if isinstance(value, list):
        return [_content(item) for item in value]
    if isinstance(value, Path):
        return f"{value.name}, sha256 {hashlib.sha256(value.read_bytes()).hexdigest()}"
    if isinstance(value, str) and Path(value).is_dir():
        files = sorted(path for path in Path(value).iterdir() if path.suffix == ".json")
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
        return f"{Path(value).name}, sha256 {digest}"
    return plain(value)


def plain(value: Any) -> Any:
    """Return the value of an option as JSON holds it, of a path its name alone."""
    if isinstance(value, str) and Path(value).exists():
        value = Path(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.name if isinstance(value, Path) else value  # places are nobody's business
