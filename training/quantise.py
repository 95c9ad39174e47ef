"""Quantise a fused ONNX transformer to int8, with activation ranges fixed at export.

onnxruntime's own dynamic quantisation finds the range of the activations anew in every batch, so
that a sentence's score depends on its neighbours; its static quantisation is run as products of
float32 on processors without VNNI. Here each product gets a fixed range and the fused integer
kernel. A few channels of large models reach far beyond the others; as in Dettmers et al., 2022:
"LLM.int8(): 8-bit matrix multiplication for transformers at scale", they get a small float32
product of their own. ``docs/performance.md`` has the figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

_DOMAIN = "com.microsoft"
# 7 bits: processors without VNNI add pairs of 8 x 8 bit products in 16 bits, which would overflow.
_LARGEST_WEIGHT = 63
# A channel is an outlier if its greatest value is so many times the median channel's.
_OUTLIER = 6
# Their product takes time, for which one of them must reach so far.
_FAR_OUTLIER = 20
_MOST_OUTLIERS = 16

_NONE = np.empty(0, np.int64)

Ranges = tuple[NDArray[np.float32], NDArray[np.float32]]


def quantise(
    source: Path, target: Path, batches: Iterable[Mapping[str, NDArray[np.int64]]]
) -> None:
    """Write an int8 copy of a graph that ``onnxruntime.transformers`` fused.

    Matrix products with constant weights and fused attention become integer products: weights
    int8 with one scale an output channel, activations uint8 with one range a tensor, which leaves
    out at most 16 outlier channels. The word embeddings become int8 with one scale a row. All else
    stays float32.

    Parameters
    ----------
    source, target
        Paths of the fp32 graph and of the copy.
    batches
        Inputs by name, some thousand typical sentences, from which the ranges are taken.
    """
    model = onnx.load(str(source))
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    products = [
        node
        for node in graph.node
        if node.op_type in ("MatMul", "Attention") and node.input[1] in weights
    ]
    ranges = activation_ranges(model, {node.input[0] for node in products}, batches)
    whole = {node.input[0] for node in products if node.op_type == "Attention"}
    quantised: set[str] = set()
    nodes: list[onnx.NodeProto] = []
    by_output: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        if node in products:
            activation = node.input[0]
            outliers = _outliers(ranges[activation]) if activation not in whole else _NONE
            if activation not in quantised:
                nodes += _quantise_activation(graph, activation, ranges[activation], outliers)
                quantised.add(activation)
            weight = numpy_helper.to_array(weights[node.input[1]])
            made = _integer_product(graph, node, weight, outliers)
            by_output[node.output[0]] = made
            nodes += made
        elif node.op_type == "Gather" and _is_table(weights.get(node.input[0])):
            nodes += _quantise_rows(graph, node, numpy_helper.to_array(weights[node.input[0]]))
        else:
            nodes += _without_bias(node, by_output, weights)
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    if all(opset.domain != _DOMAIN for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid(_DOMAIN, 1))
    onnx.save(model, str(target))


def activation_ranges(
    model: onnx.ModelProto, names: set[str], batches: Iterable[Mapping[str, NDArray[np.int64]]]
) -> dict[str, Ranges]:
    """Return the least and the greatest value of each named tensor over all batches.

    Both are float32 [channels], the size of the tensor's last axis, and at most and at least 0.
    """
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    ordered = sorted(names)
    watched.graph.output.extend(
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in ordered
    )
    session = onnxruntime.InferenceSession(watched.SerializeToString())
    found: dict[str, Ranges] = {}
    for batch in batches:
        for name, value in zip(ordered, session.run(ordered, dict(batch))):
            rows = value.reshape(-1, value.shape[-1])
            low, high = found.get(name, (np.float32(0), np.float32(0)))
            found[name] = (np.minimum(low, rows.min(0)), np.maximum(high, rows.max(0)))
    return found


def _outliers(ranges: Ranges) -> NDArray[np.int64]:
    """Return the channels that get a product of their own, in ascending order."""
    size = np.maximum(-ranges[0], ranges[1])
    median = np.median(size)
    if size.max() < _FAR_OUTLIER * median:
        return _NONE
    largest = np.argsort(-size)[:_MOST_OUTLIERS]
    return np.sort(largest[size[largest] > _OUTLIER * median]).astype(np.int64)


def _add(graph: onnx.GraphProto, name: str, value: NDArray[Any]) -> str:
    graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def _quantise_activation(
    graph: onnx.GraphProto, name: str, ranges: Ranges, outliers: NDArray[np.int64]
) -> list[onnx.NodeProto]:
    low, high = np.delete(ranges[0], outliers).min(), np.delete(ranges[1], outliers).max()
    scale = max(high - low, 1e-6) / 255
    zero = np.uint8(np.clip(round(-low / scale), 0, 255))
    parts = [
        _add(graph, f"{name}_scale", np.array(scale, np.float32)),
        _add(graph, f"{name}_zero", np.array(zero, np.uint8)),
    ]
    # Outliers are clipped here, where their weights are 0.
    nodes = [helper.make_node("QuantizeLinear", [name, *parts], [f"{name}_int8"])]
    if outliers.size:
        channels = _add(graph, f"{name}_channels", outliers)
        nodes.append(helper.make_node("Gather", [name, channels], [f"{name}_outliers"], axis=-1))
    return nodes


def _integer_product(
    graph: onnx.GraphProto,
    node: onnx.NodeProto,
    weight: NDArray[np.float32],
    outliers: NDArray[np.int64],
) -> list[onnx.NodeProto]:
    """Return the nodes that take the place of a product, the integer one first."""
    x, w = node.input[0], node.input[1]
    inner = weight.copy()
    inner[outliers] = 0
    scale = np.maximum(np.abs(inner).max(0), 1e-8) / _LARGEST_WEIGHT
    while any(tensor.name == f"{w}_int8" for tensor in graph.initializer):
        w += "_again"  # some models use a weight twice, and its outliers may differ
    values = _add(graph, f"{w}_int8", np.rint(inner / scale).astype(np.int8))
    scales = _add(graph, f"{w}_scale", scale.astype(np.float32))
    if node.op_type == "MatMul":
        out = node.output[0]
        parts = [out] if not outliers.size else [f"{out}_int8", f"{out}_outliers"]
        inputs = [f"{x}_int8", values, f"{x}_scale", scales, f"{x}_zero"]
        product = helper.make_node("MatMulIntegerToFloat", inputs, parts[:1], domain=_DOMAIN)
        if not outliers.size:
            return [product]
        rows = _add(graph, f"{w}_outliers", weight[outliers])
        small = helper.make_node("MatMul", [f"{x}_outliers", rows], parts[1:])
        return [product, small, helper.make_node("Add", parts, [out])]
    zeros = _add(graph, f"{w}_zero", np.zeros(scale.shape, np.int8))
    bias, mask = node.input[2], node.input[3]
    inputs = [f"{x}_int8", values, bias, f"{x}_scale", scales, mask, f"{x}_zero", zeros]
    product = helper.make_node("QAttention", inputs, node.output, domain=_DOMAIN)
    known = ("num_heads", "unidirectional", "mask_filter_value")
    product.attribute.extend(a for a in node.attribute if a.name in known)
    return [product]


def _without_bias(
    node: onnx.NodeProto,
    by_output: Mapping[str, list[onnx.NodeProto]],
    weights: Mapping[str, onnx.TensorProto],
) -> list[onnx.NodeProto]:
    """Let the integer product before a node add the bias, and take the node apart.

    onnxruntime's SkipLayerNormalization is not vectorised; an Add and a LayerNormalization are
    faster.
    """
    inputs = list(node.input)
    if node.op_type == "Add" and inputs[0] in weights:
        inputs.reverse()
    made = by_output.get(inputs[0]) if inputs else None
    if made is None or made[0].op_type != "MatMulIntegerToFloat":
        return [node]
    product = made[0]
    if node.op_type == "Add" and inputs[1] in weights and len(weights[inputs[1]].dims) == 1:
        product.input.extend(["", inputs[1]])
        made[-1].output[0] = node.output[0]
        return []
    if node.op_type == "BiasGelu":
        product.input.extend(["", node.input[1]])
        return [helper.make_node("Gelu", [node.input[0]], node.output, domain=_DOMAIN)]
    if node.op_type == "SkipLayerNormalization" and len(node.input) == 5 and len(node.output) == 1:
        x, skip, scale, shift, bias = node.input
        product.input.extend(["", bias])
        total = f"{node.output[0]}_sum"
        normalisation = helper.make_node(
            "LayerNormalization", [total, scale, shift], node.output, axis=-1
        )
        normalisation.attribute.extend(a for a in node.attribute if a.name == "epsilon")
        return [helper.make_node("Add", [x, skip], [total]), normalisation]
    return [node]


def _is_table(tensor: onnx.TensorProto | None) -> bool:
    """Tell whether a tensor is a table of embeddings large enough to be worth quantising."""
    return tensor is not None and len(tensor.dims) == 2 and tensor.dims[0] > 10_000


def _quantise_rows(
    graph: onnx.GraphProto, node: onnx.NodeProto, table: NDArray[np.float32]
) -> list[onnx.NodeProto]:
    name, out = node.input[0], node.output[0]
    scale = np.maximum(np.abs(table).max(1, keepdims=True), 1e-8) / 127
    values = _add(graph, f"{name}_int8", np.rint(table / scale).astype(np.int8))
    scales = _add(graph, f"{name}_scale", scale.astype(np.float32))
    return [
        helper.make_node("Gather", [values, node.input[1]], [f"{out}_int8"]),
        helper.make_node("Gather", [scales, node.input[1]], [f"{out}_scale"]),
        helper.make_node("Cast", [f"{out}_int8"], [f"{out}_float"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", [f"{out}_float", f"{out}_scale"], [out]),
    ]
