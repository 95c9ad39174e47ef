"""Let the last layer of a fused ONNX transformer compute only the token that the head reads."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

_BY_TOKEN = {"MatMul", "SkipLayerNormalization", "BiasGelu", "FastGelu", "Gelu", "Add"}
"""Operations that treat each token for itself."""


def keep_first_token(model: onnx.ModelProto) -> None:
    """Cut the last layer down to the first token, in place; the logits stay the same.

    The other tokens are still attended to, but are not themselves projected, normalised, or fed
    forward: in a network of n layers that saves about 0.8 of an n-th of the products.

    Parameters
    ----------
    model
        A graph that ``onnxruntime.transformers`` fused, with attention and skip layer
        normalisation as single nodes, and a head that begins by gathering one token, which is
        taken to be the first. A graph of another form stays as it is.
    """
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    attentions = [node for node in graph.node if node.op_type == "Attention"]
    if not attentions or any(attentions[-1].input[4:]):
        return
    attention = attentions[-1]
    index = list(graph.node).index(attention)
    tail = list(graph.node)[index + 1 :]
    # What first looks beyond a single token must be the head.
    if next((n.op_type for n in tail if n.op_type not in _BY_TOKEN), None) != "Gather":
        return
    x, projection, bias, mask = attention.input[:4]
    first = f"{x}_first"
    thirds = np.split(numpy_helper.to_array(weights[projection]), 3, axis=1)
    ends = np.array([[0], [1]], np.int64)
    graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(value), f"{projection}_{name}")
        for name, value in zip(("query", "key", "value", "from", "to"), (*thirds, *ends))
    )
    nodes = [
        helper.make_node(
            "Slice", [x, f"{projection}_from", f"{projection}_to", f"{projection}_to"], [first]
        )
    ]
    for name, source in [("query", first), ("key", x), ("value", x)]:
        out = f"{attention.output[0]}_{name}"
        nodes.append(helper.make_node("MatMul", [source, f"{projection}_{name}"], [out]))
    inputs = [node.output[0] for node in nodes[1:]]
    heads = helper.make_node(
        "MultiHeadAttention", [*inputs, bias, mask], attention.output, domain="com.microsoft"
    )
    heads.attribute.extend(
        a for a in attention.attribute if a.name in ("num_heads", "mask_filter_value")
    )
    for node in tail:
        for i, name in enumerate(node.input):
            if name == x:
                node.input[i] = first
    graph.initializer.remove(weights[projection])
    kept = [*list(graph.node)[:index], *nodes, heads, *tail]
    del graph.node[:]
    graph.node.extend(kept)
