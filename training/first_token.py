"""Let the last layer of a fused ONNX transformer compute only the token that the head reads."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper


def keep_first_token(model: onnx.ModelProto) -> bool:
    """Cut the last layer down to the first token, in place; the logits stay the same.

    The other tokens are still attended to, but are not themselves projected, normalised, or fed
    forward: in a network of n layers that saves about 0.8 of an n-th of the products.

    Parameters
    ----------
    model
        A graph that ``onnxruntime.transformers`` fused, with attention and skip layer
        normalisation as single nodes, and a head that reads token 0 only.

    Returns
    -------
    bool
        False if the graph has another form, and was left as it was.
    """
    graph = model.graph
    weights = {tensor.name: tensor for tensor in graph.initializer}
    attentions = [node for node in graph.node if node.op_type == "Attention"]
    if not attentions or any(attentions[-1].input[4:]):
        return False
    attention = attentions[-1]
    index = list(graph.node).index(attention)
    tail = list(graph.node)[index + 1 :]
    if not _reads_first_token(tail, weights):
        return False
    x, projection, bias, mask = attention.input[:4]
    first = f"{x}_first"
    weight = numpy_helper.to_array(weights[projection])
    hidden = weight.shape[1] // 3
    graph.initializer.extend(
        numpy_helper.from_array(value, f"{projection}_{name}")
        for name, value in [
            ("query", np.ascontiguousarray(weight[:, :hidden])),
            ("key", np.ascontiguousarray(weight[:, hidden : 2 * hidden])),
            ("value", np.ascontiguousarray(weight[:, 2 * hidden :])),
            ("from", np.array([0], np.int64)),
            ("to", np.array([1], np.int64)),
        ]
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
    return True


def _reads_first_token(tail: list[onnx.NodeProto], weights: dict[str, onnx.TensorProto]) -> bool:
    """Tell whether one node alone leaves the tokens' axis, and takes token 0 from it."""
    by_token = {"MatMul", "SkipLayerNormalization", "BiasGelu", "FastGelu", "Gelu", "Add"}
    leaving = next((node for node in tail if node.op_type not in by_token), None)
    return leaving is not None and leaving.op_type == "Gather"
