"""Where training starts: at a base model, or at an exported one."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from conflict_nlp import store
from conflict_nlp.classifiers.torch import load_model
from training.output_layer import output_layer
from training.task import Task

log = logging.getLogger(__name__)


def start(
    base: str | store.ModelFolder, task: Task
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase, bool]:
    """Return the model and the tokenizer to train on from, and whether the output layer is new.

    Parameters
    ----------
    base
        A hub name or a folder as transformers saves it, or an exported model.
    task
        What is to be learnt.

    Raises
    ------
    OSError
        If there is no such base.
    ValueError
        If it has no fast tokenizer, or no linear layer that gives its logits.
    """
    with tempfile.TemporaryDirectory() as scratch:
        source = base if isinstance(base, str) else unpack(base, Path(scratch))
        model, loading = AutoModelForSequenceClassification.from_pretrained(
            source,
            output_loading_info=True,
            dtype=torch.float32,  # what is stored in 16 bits could not take small steps
            # On processors the backward pass of torch's fused attention is slow in bfloat16: it
            # takes half the time of MiniLM. Plain attention takes no more memory either.
            attn_implementation=None if torch.cuda.is_available() else "eager",
            num_labels=len(task.labels),
            id2label=dict(enumerate(task.labels)),
            label2id={label: i for i, label in enumerate(task.labels)},
            problem_type="single_label_classification"
            if task.kind == "multi-class"
            else "multi_label_classification",
            ignore_mismatched_sizes=True,  # a base that was fine-tuned before brings another head
        )
        made = {*loading["missing_keys"], *(key for key, *_ in loading["mismatched_keys"])}
        is_new = f"{output_layer(model)[0]}.weight" in made
        tokenizer = AutoTokenizer.from_pretrained(source)
        if not tokenizer.is_fast:
            raise ValueError(f"{source} has no fast tokenizer, which models are saved with")
        if isinstance(base, str) and not is_new:
            names = AutoConfig.from_pretrained(base).id2label
            found = [names[i] for i in sorted(names)]
            if is_new := found != list(task.labels):
                log.warning("the output layer is made new: the base's labels are %s", found)
        return model, tokenizer, is_new


def unpack(folder: store.ModelFolder, target: Path) -> Path:
    """Write an exported transformer as transformers saves it, int8 weights as float32.

    Raises
    ------
    ModelError
        If the folder holds no transformer that torch can run.
    """
    load_model(folder).save_pretrained(target)
    tokenizer = Tokenizer.from_str(folder.file("tokenizer.json").decode("utf-8"))
    pad = tokenizer.id_to_token(folder.manifest.get("pad_token_id", 0))
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=pad).save_pretrained(target)
    return target


def readable_tokens(model: PreTrainedModel) -> int | None:
    """Return how many tokens of a text a model has positions for; None if any number."""
    table = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    positions: int | None = getattr(model.config, "max_position_embeddings", None)
    # MPNet and RoBERTa count positions from behind that of the padding.
    if positions is None or positions < 1:  # XLNet has -1
        return None
    return positions if padding is None else positions - padding - 1
