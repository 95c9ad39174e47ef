"""Lower layers that stay as they are, run once a sentence instead of once a sentence and epoch."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

from training.progress import track

log = logging.getLogger(__name__)

_LARGE = 10**9
_BATCH = 64
_UNFIT = "--freeze-layers: {} has no layers it can take"


class _Given(nn.Module):  # type: ignore[misc]  # torch is not checked
    """Stands where the embeddings were: what comes in is already embedded."""

    def forward(self, inputs_embeds: Tensor, **_: Any) -> Tensor:
        return inputs_embeds


def _mask(lengths: Iterable[int]) -> Tensor:
    """Return int64 [sentences, longest], 1 where a sentence has a token."""
    return pad_sequence([torch.ones(length, dtype=torch.long) for length in lengths], True)


class LowerLayers:
    """The embeddings and lowest encoder layers of a model, taken off it while the others learn.

    With the lower half of 12 layers frozen an epoch costs 3/4 of what it costs when they are run
    each time, and it needs no dropout there. Also the function that makes batches of the rows
    that `run` returns.

    Parameters
    ----------
    model
        A model whose body has ``embeddings`` and ``encoder.layer`` (BERT, RoBERTa, MPNet, ...).
        Until `put_back` it takes ``inputs_embeds``, the output of the lower layers.
    layers
        How many layers to take off, at least 1 and fewer than the model has.

    Raises
    ------
    ValueError
        If the model has no such layers, or not more than `layers`.
    """

    def __init__(self, model: PreTrainedModel, layers: int) -> None:
        body = model.base_model
        encoder = getattr(body, "encoder", None)
        every = getattr(encoder, "layer", None)
        if encoder is None or every is None or not hasattr(body, "embeddings"):
            raise ValueError(_UNFIT.format(type(model).__name__))
        if not 0 < layers < len(every):
            raise ValueError(f"--freeze-layers: the model has {len(every)} layers: give fewer")
        for part in (body.embeddings, encoder):
            part.requires_grad_(False)
        self._body, self._every = body, every
        self._embeddings = body.embeddings
        self._layers = layers
        self._states: list[NDArray[np.float16]] = []
        self._check(model)
        self._take_off()

    def _check(self, model: PreTrainedModel) -> None:
        """Raise if the model does more between its layers than hand on their output."""
        model.eval()
        try:
            with torch.inference_mode():
                ids = torch.arange(8, device=model.device)[None] % model.config.vocab_size
                mask = torch.ones_like(ids)
                whole = model(input_ids=ids, attention_mask=mask).logits
                self._body.encoder.layer = self._every[: self._layers]
                states = self._body(input_ids=ids, attention_mask=mask).last_hidden_state
                self._take_off()
                logits = model(inputs_embeds=states, attention_mask=mask).logits
            is_same = torch.allclose(logits, whole, atol=1e-3)
        except Exception:  # whatever a model of another build raises
            is_same = False
        if not is_same:
            raise ValueError(_UNFIT.format(type(model).__name__))

    def _take_off(self) -> None:
        self._body.encoder.layer = self._every[self._layers :].requires_grad_(True)
        self._body.embeddings = _Given()

    def put_back(self) -> None:
        """Make the model whole again."""
        self._body.embeddings = self._embeddings
        self._body.encoder.layer = self._every

    def run(self, data: Dataset) -> Dataset:
        """Run the lower layers over tokenized sentences and keep what comes out, in float16.

        Returns
        -------
        Dataset
            `data` with ``row``, the number of a sentence here, in place of its token ids.
        """
        body, device = self._body, self._body.device
        body.embeddings, body.encoder.layer = self._embeddings, self._every[: self._layers]
        body.eval()
        lengths = np.array(data["length"])
        size = int(lengths.sum()) * body.config.hidden_size * 2
        if size > _LARGE:
            log.info("the output of the lower layers takes %.1f GB of memory", size / 10**9)
        order = np.argsort(-lengths, kind="stable")
        found: list[NDArray[np.float16]] = [np.empty((0, 0), np.float16)] * len(order)
        ids = data["input_ids"][:]
        padding = body.config.pad_token_id or 0
        for start in track(range(0, len(order), _BATCH), "lower layers"):
            rows = order[start : start + _BATCH]
            batch = pad_sequence([torch.tensor(ids[row]) for row in rows], True, padding)
            mask = _mask(lengths[rows])
            with torch.inference_mode():
                states = body(
                    input_ids=batch.to(device), attention_mask=mask.to(device)
                ).last_hidden_state
            for row, state in zip(rows, states.to("cpu", torch.float16).numpy()):
                found[row] = state[: lengths[row]].copy()
        self._take_off()
        first = len(self._states)
        self._states += found
        data = data.remove_columns(["input_ids", "attention_mask"])
        return data.add_column("row", list(range(first, first + len(found))))

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        """Return a batch: float32 [rows, longest, hidden] and its mask and labels."""
        states = [torch.from_numpy(self._states[row["row"]]).float() for row in rows]
        return {
            "inputs_embeds": pad_sequence(states, batch_first=True),
            "attention_mask": _mask(map(len, states)),
            "labels": torch.tensor([row["labels"] for row in rows]),
        }
