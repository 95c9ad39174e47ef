"""The same transformers run by torch, on a GPU if there is one.

The weights are those of the ONNX file, int8 ones times their scales, and where the file rounds the
input of a product to 256 steps, so does torch in float32. The torch name of a weight is its ONNX
name, or stands in the name of the result of its product
(``/bert/encoder/layer.0/output/dense/MatMul_output_0``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)

from conflict_nlp.classifiers.transformer import Batch, Transformer, graph_of
from conflict_nlp.store import ModelError, ModelFolder

# Names of the query, key and value layers, by the last part of the attention module's name.
_ATTENTION = {
    "self": ("query", "key", "value"),
    "attn": ("q", "k", "v"),
    "attention": ("q_lin", "k_lin", "v_lin"),
}
_PROCESS = os.getpid()
_PRODUCTS = ("MatMul", "MatMulIntegerToFloat")


class TorchClassifier(Transformer):
    """A transformer exported by ``training.export_onnx``, in torch.

    On a GPU it computes in bfloat16, elsewhere in float32. A batch holds as many tokens as
    `batch_size` texts of the greatest length; on a CPU, whose caches are small, of a quarter of
    that. Several threads may use one classifier. A forked process computes on one thread; with a
    GPU, start processes by spawn, not by fork.

    Parameters
    ----------
    folder
        A checked model folder.
    device
        A torch device, e.g. ``"cpu"`` or ``"cuda:1"``; None for ``"cuda"`` where there is one.

    Raises
    ------
    ModelError
        If the weights are damaged or cannot be told apart.
    ValueError
        If there is no such device.
    """

    def __init__(self, folder: ModelFolder, device: str | None = None) -> None:
        _after_fork()
        self.device = _device(device)
        kind = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        model = load_model(folder)
        if kind == torch.float32:  # the steps of bfloat16 are no finer
            _round_inputs(model, onnx.load_model_from_string(graph_of(folder)).graph)
        self.engine = f"torch {torch.__version__} on {self.device}"
        self._model = model.to(self.device, kind).eval()
        super().__init__(folder)
        self._tokens = self.max_length if self.device.type == "cuda" else self.max_length // 4

    def batches(self, lengths: Sequence[int], batch_size: int) -> Iterator[slice]:
        """Yield parts that hold about as many tokens each."""
        start = 0
        while start < len(lengths):
            stop = start + max(1, batch_size * self._tokens // max(1, lengths[start]))
            yield slice(start, stop)
            start = stop

    def run(self, batches: Iterator[Batch]) -> NDArray[np.float32]:
        """Run the batches; the next is made ready while the GPU computes."""
        _after_fork()
        with torch.inference_mode():
            logits = [
                self._model(
                    input_ids=torch.from_numpy(ids).to(self.device),
                    attention_mask=torch.from_numpy(mask).to(self.device),
                ).logits
                for ids, mask in batches
            ]
            return np.asarray(torch.cat(logits).float().cpu().numpy(), np.float32)


def _after_fork() -> None:
    """In a forked process, keep torch from waiting for threads that the fork left behind."""
    if os.getpid() != _PROCESS and torch.get_num_threads() > 1:
        torch.set_num_threads(1)


def _device(name: str | None) -> torch.device:
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, TypeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"device {name!r} cannot be used ({reason}): take 'cpu' or 'cuda'"
        ) from None
    return device


def load_model(folder: ModelFolder) -> PreTrainedModel:
    """Return a float32 torch model on the CPU with the weights of a model folder's ONNX file.

    Raises
    ------
    ModelError
        If the folder has no ``model.onnx``, or one whose weights do not make up the model.
    """
    path = folder.path / "model.onnx"
    if folder.manifest.get("engine") != "onnx":
        raise ModelError(f"{folder.path} is no transformer for torch: take another model")
    try:
        graph = onnx.load_model_from_string(graph_of(folder)).graph
        weights = _weights(graph)
        config = AutoConfig.for_model(**folder.json("config.json"))
        config.num_labels = len(folder.manifest["labels"])
        # The settings may name code of a hub; which attention is fast is for this machine to say.
        model = AutoModelForSequenceClassification.from_config(
            config, attn_implementation=None, trust_remote_code=False
        ).float()
        wanted = model.state_dict()
        missing = sorted(wanted.keys() - weights.keys())
        if missing:
            # Exporters merge equal tensors, which training makes all but impossible.
            raise ValueError(f"it holds no {missing[0]}, or merged with an equal tensor")
        state = {name: torch.tensor(weights[name]) for name in wanted}
        model.load_state_dict(state)
    except ModelError:
        raise
    except Exception as error:  # onnx, transformers and torch raise errors of many kinds
        raise ModelError(
            f"{path} cannot be used with torch: {error}; export the model again"
        ) from error
    return model


def _weights(graph: onnx.GraphProto) -> dict[str, NDArray[np.float32]]:
    """Return the weights by their torch names, in their torch shapes."""
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    weights = {name: array for name, array in tensors.items() if array.dtype == np.float32}
    for name, array in tensors.items():
        if array.dtype == np.int8 and f"{name.removesuffix('_int8')}_scale" in tensors:
            base = name.removesuffix("_int8")
            weights[base] = array * tensors[f"{base}_scale"]
    chosen = {node.output[0]: node.input[1] for node in graph.node if node.op_type == "Gather"}
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1].endswith("_outliers"):
            rows = tensors[chosen[node.input[0]]]
            weights[node.input[1].removesuffix("_outliers")][rows] += weights.pop(node.input[1])
    for node, modules in _modules(graph):
        product = node.input[1].removesuffix("_int8")
        if product in weights:
            for module, matrix in zip(modules, np.split(weights[product], len(modules), axis=1)):
                weights[f"{module}.weight"] = matrix.T
        bias = {"MultiHeadAttention": 3, "Attention": 2, "QAttention": 2}.get(node.op_type)
        if bias is not None:
            for module, vector in zip(modules, np.split(weights[node.input[bias]], 3)):
                weights[f"{module}.bias"] = vector
    return {name: np.ascontiguousarray(array) for name, array in weights.items()}


def _modules(graph: onnx.GraphProto) -> Iterator[tuple[onnx.NodeProto, list[str]]]:
    """Yield products and attention, each with the names of the torch layers that it stands for."""
    for node in graph.node:
        *path, last = node.output[0].removesuffix("_int8").strip("/").split("/")
        module = ".".join(path)
        attention = _ATTENTION.get(path[-1] if path else "", ())
        if node.op_type in ("Attention", "QAttention", "MultiHeadAttention"):
            yield node, [f"{module}.{part}" for part in attention]
        elif node.op_type in _PRODUCTS:
            # The last layer's attention may be split, see `training.first_token`.
            part = dict(zip(("query", "key", "value"), attention)).get(last.rpartition("_")[2])
            yield node, [f"{module}.{part}" if part else module]


def _round_inputs(model: PreTrainedModel, graph: onnx.GraphProto) -> None:
    """Let the layers of a model round their inputs as the file does."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node, modules in _modules(graph):
        name = node.input[0].removesuffix("_int8")
        if name == node.input[0] or node.op_type == "MultiHeadAttention":
            continue
        scale, zero = (numpy_helper.to_array(tensors[f"{name}_{p}"]) for p in ("scale", "zero"))
        exact = tensors.get(f"{name}_channels")
        channels = None if exact is None else torch.tensor(numpy_helper.to_array(exact))
        rounded = partial(_rounded, scale=float(scale), zero=int(zero), exact=channels)
        for module in modules:
            model.get_submodule(module).register_forward_pre_hook(rounded)


def _rounded(
    _: torch.nn.Module, inputs: tuple[torch.Tensor], scale: float, zero: int, exact: Any
) -> torch.Tensor:
    (x,) = inputs
    steps = torch.fake_quantize_per_tensor_affine(x.float(), scale, zero, 0, 255).to(x.dtype)
    if exact is not None:
        steps[..., exact] = x[..., exact]
    return steps
