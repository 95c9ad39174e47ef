"""Quantise a fused ONNX transformer to int8, with activation ranges fixed at export.

onnxruntime's own dynamic quantisation finds the range of the activations anew in every batch, so
that a sentence's score depends on its neighbours; its static quantisation is run as products of
float32 on processors without VNNI. Here each product gets a fixed range and the fused integer
kernel. ``docs/performance.md`` has the figures.
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


def quantise(
    source: Path, target: Path, batches: Iterable[Mapping[str, NDArray[np.int64]]]
) -> None:
    """Write an int8 copy of a graph that ``onnxruntime.transformers`` fused.

    Matrix products with constant weights and fused attention become integer products: weights
    int8 with one scale an output channel, activations uint8 with one range a tensor. The word
    embeddings become int8 with one scale a row. All else stays float32.

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
    quantised: set[str] = set()
    nodes: list[onnx.NodeProto] = []
    products_by_output: dict[str, onnx.NodeProto] = {}
    for node in graph.node:
        if node in products:
            activation = node.input[0]
            if activation not in quantised:
                nodes.append(_quantise_activation(graph, activation, *ranges[activation]))
                quantised.add(activation)
            product = _integer_product(graph, node, numpy_helper.to_array(weights[node.input[1]]))
            products_by_output[product.output[0]] = product
            nodes.append(product)
        elif node.op_type == "Gather" and _is_table(weights.get(node.input[0])):
            nodes += _quantise_rows(graph, node, numpy_helper.to_array(weights[node.input[0]]))
        else:
            nodes += _without_bias(node, products_by_output)
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
) -> dict[str, tuple[float, float]]:
    """Return the least and the greatest value of each named tensor over all batches."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    ordered = sorted(names)
    watched.graph.output.extend(
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in ordered
    )
    session = onnxruntime.InferenceSession(watched.SerializeToString())
    low, high = dict.fromkeys(ordered, 0.0), dict.fromkeys(ordered, 0.0)
    for batch in batches:
        for name, value in zip(ordered, session.run(ordered, dict(batch))):
            low[name] = min(low[name], float(value.min()))
            high[name] = max(high[name], float(value.max()))
    return {name: (low[name], high[name]) for name in ordered}


def _add(graph: onnx.GraphProto, name: str, value: NDArray[Any]) -> str:
    graph.initializer.append(numpy_helper.from_array(value, name))
    return name


def _quantise_activation(
    graph: onnx.GraphProto, name: str, low: float, high: float
) -> onnx.NodeProto:
    scale = max(high - low, 1e-6) / 255
    zero = np.uint8(np.clip(round(-low / scale), 0, 255))
    parts = [
        _add(graph, f"{name}_scale", np.array(scale, np.float32)),
        _add(graph, f"{name}_zero", np.array(zero, np.uint8)),
    ]
    return helper.make_node("QuantizeLinear", [name, *parts], [f"{name}_int8"])


def _integer_product(
    graph: onnx.GraphProto, node: onnx.NodeProto, weight: NDArray[np.float32]
) -> onnx.NodeProto:
    x, w = node.input[0], node.input[1]
    scale = np.maximum(np.abs(weight).max(0), 1e-8) / _LARGEST_WEIGHT
    values = _add(graph, f"{w}_int8", np.rint(weight / scale).astype(np.int8))
    scales = _add(graph, f"{w}_scale", scale.astype(np.float32))
    if node.op_type == "MatMul":
        inputs = [f"{x}_int8", values, f"{x}_scale", scales, f"{x}_zero"]
        return helper.make_node("MatMulIntegerToFloat", inputs, node.output, domain=_DOMAIN)
    zeros = _add(graph, f"{w}_zero", np.zeros(scale.shape, np.int8))
    bias, mask = node.input[2], node.input[3]
    inputs = [f"{x}_int8", values, bias, f"{x}_scale", scales, mask, f"{x}_zero", zeros]
    product = helper.make_node("QAttention", inputs, node.output, domain=_DOMAIN)
    known = ("num_heads", "unidirectional", "mask_filter_value")
    product.attribute.extend(a for a in node.attribute if a.name in known)
    return product


def _without_bias(
    node: onnx.NodeProto, products: Mapping[str, onnx.NodeProto]
) -> list[onnx.NodeProto]:
    """Let the integer product before a fused node add the bias, and take the node apart.

    onnxruntime's SkipLayerNormalization is not vectorised; an Add and a LayerNormalization are
    faster.
    """
    product = products.get(node.input[0]) if node.input else None
    if product is None or product.op_type != "MatMulIntegerToFloat":
        return [node]
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
