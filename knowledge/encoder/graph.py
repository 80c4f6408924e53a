"""Write a BERT encoder as an ONNX graph, weights in 8 bits. Called by `knowledge.encoder.build`.

Written node by node instead of exported: no torch is needed, the fused operators of onnxruntime
are used where they are fastest on one core, and the embedding table keeps one scale per row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

ONNX_OPSET, MICROSOFT_OPSET, IR_VERSION = 18, 1, 9
MICROSOFT = "com.microsoft"
Tensors = Mapping[str, NDArray[np.float32]]


class _Graph:
    """Collects nodes and constants; every method returns the name of what it made."""

    def __init__(self, *, small: bool) -> None:
        self.small = small
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(
        self, operator: str, inputs: Sequence[str], name: str, domain: str = "", **options: Any
    ) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [name], domain=domain, **options))
        return name

    def linear(self, source: str, name: str, weight: NDArray[Any], bias: NDArray[Any]) -> str:
        """Multiply by a matrix of shape (out, in), with one scale per output."""
        self.constant(f"{name}.bias", bias)
        if not self.small:
            self.constant(f"{name}.weight", weight.T.astype(np.float32))
            self.node("MatMul", [source, f"{name}.weight"], f"{name}.product")
            return self.node("Add", [f"{name}.product", f"{name}.bias"], f"{name}.out")
        values, scales = to_int8(weight)
        self.constant(f"{name}.weight", values.T)
        self.constant(f"{name}.scale", scales.reshape(-1))
        self.constant(f"{name}.zero", np.zeros(len(scales), np.int8))
        inputs = [source, *(f"{name}.{part}" for part in ("weight", "scale", "zero", "bias"))]
        return self.node("DynamicQuantizeMatMul", inputs, f"{name}.out", MICROSOFT)

    def normalise(self, source: str, other: str, name: str, tensors: Tensors, key: str) -> str:
        """Add two inputs and normalise the layer.

        In two steps: onnxruntime 1.31 takes three times as long for both in one on a processor
        (SkipLayerNormalization, a sixth of a question's encoding).
        """
        self.constant(f"{name}.weight", tensors[f"{key}.w"])
        self.constant(f"{name}.bias", tensors[f"{key}.b"])
        both = self.node("Add", [source, other], f"{name}.sum")
        inputs = [both, f"{name}.weight", f"{name}.bias"]
        return self.node("LayerNormalization", inputs, f"{name}.out", axis=-1, epsilon=1e-12)


def to_int8(weight: NDArray[Any]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return rows of whole numbers from -127 to 127 and one scale per row."""
    scales = np.abs(weight).max(axis=1, keepdims=True) / 127
    scales[scales == 0] = 1
    return np.rint(weight / scales).astype(np.int8), scales.astype(np.float32)


def write_graph(
    tensors: Tensors,
    layers: int,
    heads: int,
    longest: int,
    path: Path,
    *,
    small: bool = True,
    judge: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None,
    basis: NDArray[np.float32] | None = None,
) -> None:
    """
    Write token numbers and mask in, mean-pooled vectors of length one out.

    Args:
        basis: Matrix (vector, width); a second output holds each token's own vector, turned into
            that width, of length one.
        judge: Matrix (vector, scores) and offsets (scores); the scores come out instead.
        tensors: Short names as in `knowledge.encoder.source`, matrices of shape (out, in).
        longest: Number of positions kept.
        small: Weights in 8 bits; False keeps float32, to measure what 8 bits cost.
    """
    graph = _Graph(small=small)
    hidden = _embed(graph, tensors, longest)
    graph.node("Cast", ["attention_mask"], "mask.int", to=TensorProto.INT32)
    for number in range(layers):
        hidden = _layer(graph, tensors, number, heads, hidden)
    _pool(graph, hidden)
    whole = ["batch", "length"]
    output, width = "vector", tensors["emb.word"].shape[1]
    if judge is not None:
        output, width = _judge(graph, *judge), judge[0].shape[1]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", width])]
    if basis is not None:
        sizes = [*whole, basis.shape[1]]
        turned = _turn_tokens(graph, hidden, basis)
        outputs.append(helper.make_tensor_value_info(turned, TensorProto.FLOAT, sizes))
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "encoder",
            [
                helper.make_tensor_value_info("input_ids", TensorProto.INT64, whole),
                helper.make_tensor_value_info("attention_mask", TensorProto.INT64, whole),
            ],
            outputs,
            graph.constants,
        ),
        opset_imports=[
            helper.make_opsetid("", ONNX_OPSET),
            helper.make_opsetid(MICROSOFT, MICROSOFT_OPSET),
        ],
        ir_version=IR_VERSION,
    )
    onnx.save(model, str(path))


def _embed(graph: _Graph, tensors: Tensors, longest: int) -> str:
    if graph.small:
        values, scales = to_int8(tensors["emb.word"])
        graph.constant("words.weight", values)
        graph.constant("words.scale", scales)
        graph.node("Gather", ["words.weight", "input_ids"], "words.int8")
        graph.node("Cast", ["words.int8"], "words.float", to=TensorProto.FLOAT)
        graph.node("Gather", ["words.scale", "input_ids"], "words.scales")
        graph.node("Mul", ["words.float", "words.scales"], "words.out")
    else:
        graph.constant("words.weight", tensors["emb.word"])
        graph.node("Gather", ["words.weight", "input_ids"], "words.out")
    # All tokens have type 0: its vector can be added to the positions once and for all.
    graph.constant("places", tensors["emb.pos"][:longest] + tensors["emb.type"][0])
    for name, value in (("zero", 0), ("one", 1), ("two", 2)):
        graph.constant(name, np.array([value], np.int64))
    graph.node("Shape", ["input_ids"], "shape")
    graph.node("Slice", ["shape", "one", "two", "zero"], "length")
    graph.node("Slice", ["places", "zero", "length", "zero"], "places.out")
    graph.node("Add", ["words.out", "places.out"], "embedding")
    graph.constant("embedding.weight", tensors["emb.ln.w"])
    graph.constant("embedding.bias", tensors["emb.ln.b"])
    inputs = ["embedding", "embedding.weight", "embedding.bias"]
    return graph.node("LayerNormalization", inputs, "embedding.out", axis=-1, epsilon=1e-12)


def _layer(graph: _Graph, tensors: Tensors, number: int, heads: int, source: str) -> str:
    key, name = f"l{number}", f"layer{number}"
    parts = ("q", "k", "v")
    weight = np.concatenate([tensors[f"{key}.{part}.w"] for part in parts])
    bias = np.concatenate([tensors[f"{key}.{part}.b"] for part in parts])
    joined = graph.linear(source, f"{name}.qkv", weight, bias)
    outputs = [f"{name}.{part}" for part in parts]
    graph.nodes.append(helper.make_node("Split", [joined], outputs, axis=2, num_outputs=3))
    attention = graph.node(
        "MultiHeadAttention",
        [*outputs, "", "mask.int"],
        f"{name}.attention",
        MICROSOFT,
        num_heads=heads,
    )
    mixed = graph.linear(attention, f"{name}.ao", tensors[f"{key}.ao.w"], tensors[f"{key}.ao.b"])
    middle = graph.normalise(mixed, source, f"{name}.aln", tensors, f"{key}.aln")
    wide = graph.linear(middle, f"{name}.fi", tensors[f"{key}.fi.w"], tensors[f"{key}.fi.b"])
    active = graph.node("Gelu", [wide], f"{name}.gelu", MICROSOFT)
    narrow = graph.linear(active, f"{name}.fo", tensors[f"{key}.fo.w"], tensors[f"{key}.fo.b"])
    return graph.normalise(narrow, middle, f"{name}.oln", tensors, f"{key}.oln")


def _pool(graph: _Graph, hidden: str) -> None:
    """Add up the tokens under the mask; the length is divided out, so no mean is needed."""
    graph.node("Cast", ["attention_mask"], "mask.float", to=TensorProto.FLOAT)
    graph.node("Unsqueeze", ["mask.float", "one"], "mask.row")
    graph.node("MatMul", ["mask.row", hidden], "sum.row")
    graph.node("Squeeze", ["sum.row", "one"], "sum")
    graph.node("LpNormalization", ["sum"], "vector", axis=-1, p=2)


def _turn_tokens(graph: _Graph, hidden: str, basis: NDArray[np.float32]) -> str:
    """Keep of every token what differs most among tokens: comparing them then costs a third."""
    graph.constant("tokens.weight", np.asarray(basis, np.float32))
    graph.node("MatMul", [hidden, "tokens.weight"], "tokens.turned")
    return graph.node("LpNormalization", ["tokens.turned"], "tokens", axis=-1, p=2)


def _judge(graph: _Graph, weight: NDArray[np.float32], offset: NDArray[np.float32]) -> str:
    """Multiply the vector by a matrix in full width: it is small, and thresholds hang on it."""
    graph.constant("judge.weight", weight)
    graph.constant("judge.bias", offset)
    graph.node("MatMul", ["vector", "judge.weight"], "judge.product")
    return graph.node("Add", ["judge.product", "judge.bias"], "scores")
