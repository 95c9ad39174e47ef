"""A new output layer that starts as a linear model of what it reads.

From random weights a rare label is given to no sentence for epochs, and what is learnt meanwhile
distorts the layers below (Kumar et al., 2022: "Fine-tuning can distort pretrained features and
underperform out-of-distribution").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from transformers import PreTrainedModel

from training.progress import track

_SENTENCES = 20_000
_BATCH = 64


def output_layer(model: PreTrainedModel) -> tuple[str, nn.Linear]:
    """Return name and module of the layer that gives the logits."""
    every = reversed(list(model.named_modules()))
    for name, part in every:
        if isinstance(part, nn.Linear) and part.out_features == model.num_labels:
            return name, part
    raise ValueError(f"{type(model).__name__} has no linear layer that gives its logits")


def what_is_read(
    model: PreTrainedModel,
    layer: nn.Linear,
    data: Dataset,
    collate: Callable[[list[dict[str, Any]]], dict[str, Tensor]],
    seed: int,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return what a layer of a model reads of tokenized sentences, and the rows of these.

    Of more than 20,000 sentences as many are drawn. `layer` is a part of `model`; the other
    parameters are those of `fit_output_layer`.
    """
    drawn = np.random.default_rng(seed).permutation(len(data))[:_SENTENCES]
    drawn = drawn[np.argsort(np.array(data["length"])[drawn], kind="stable")[::-1]]
    read: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, given: read.append(given[0].float().cpu()))
    rows = data.remove_columns("length")
    model.eval()
    with torch.inference_mode():
        for start in track(range(0, len(drawn), _BATCH), "reading"):
            batch = collate(list(rows.select(drawn[start : start + _BATCH])))
            model(**{name: values.to(model.device) for name, values in batch.items()})
    hook.remove()
    return torch.cat(read).numpy(), drawn


def fit_output_layer(
    model: PreTrainedModel,
    data: Dataset,
    collate: Callable[[list[dict[str, Any]]], dict[str, Tensor]],
    targets: NDArray[np.bool_],
    kind: str,
    seed: int = 0,
) -> None:
    """Set the output layer by logistic regression on what it reads of tokenized sentences.

    Parameters
    ----------
    model
        Its other layers stay as they are.
    data
        Tokenized sentences with their ``length``; of more than 20,000 as many are drawn.
    collate
        Makes a batch of rows of `data`.
    targets
        bool [sentences, labels]. A label that holds in all or in none keeps its weights; a class
        that holds in none is given to none.
    kind
        ``"multi-label"`` or ``"multi-class"``.
    seed
        Of the drawing.

    Raises
    ------
    ValueError
        If the model has no linear layer that gives its logits.
    """
    layer = output_layer(model)[1]
    features, drawn = what_is_read(model, layer, data, collate, seed)
    true = targets[drawn]
    # Of classes one regression sets all rows, of labels each sets its own.
    columns = [true.argmax(1)] if kind == "multi-class" else list(true.T.astype(int))
    for column, values in enumerate(columns):
        if len(np.unique(values)) < 2:
            continue
        # Features as they are: scaled, those that hardly vary would get weights of thousands.
        fitted = LogisticRegression(max_iter=1000).fit(features, values)
        weight, bias = fitted.coef_, fitted.intercept_
        known = np.array([column])
        if kind == "multi-class":
            known = fitted.classes_
            if len(known) == 2:  # scikit-learn gives the second class alone
                weight, bias = np.vstack([0 * weight, weight]), np.append(0, bias)
        with torch.no_grad():
            if kind == "multi-class":  # those without a text are given to none
                layer.weight.zero_()
                layer.bias.fill_(bias.min() - 5)
            layer.weight[known] = torch.from_numpy(weight).to(layer.weight)
            layer.bias[known] = torch.from_numpy(bias).to(layer.bias)
