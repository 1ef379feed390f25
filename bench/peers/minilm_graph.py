"""all-MiniLM-L6-v2 as an ONNX graph, from its safetensors: token ids and attention mask in, embeddings out."""

import json
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 20


def read_safetensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8:8 + length]), memoryview(data)[8 + length:]
    types = {"F32": np.float32, "F16": np.float16, "I64": np.int64}
    return {name: np.frombuffer(body[slice(*info["data_offsets"])], types[info["dtype"]]).reshape(info["shape"])
            for name, info in header.items() if name != "__metadata__"}


class Builder:
    def __init__(self, tensors: dict[str, np.ndarray]):
        self.tensors, self.nodes, self.constants = tensors, [], {}

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants[name] = value
        return name

    def op(self, kind: str, *inputs: str, **attributes) -> str:
        output = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def tensor(self, name: str) -> str:
        return self.constant(name, self.tensors[name])

    def linear(self, x: str, name: str) -> str:
        weight = self.constant(f"{name}.weight", np.ascontiguousarray(self.tensors[f"{name}.weight"].T))
        return self.op("Add", self.op("MatMul", x, weight), self.tensor(f"{name}.bias"))

    def layer_norm(self, x: str, name: str, epsilon: float) -> str:
        return self.op("LayerNormalization", x, self.tensor(f"{name}.weight"), self.tensor(f"{name}.bias"), axis=-1, epsilon=epsilon)

    def shape(self, *extents: int) -> str:
        return self.constant("shape_" + "_".join(str(extent) for extent in extents), np.array(extents, np.int64))


def build(folder: pathlib.Path) -> onnx.ModelProto:
    config = json.loads((folder / "config.json").read_text())
    g = Builder(read_safetensors(folder / "model.safetensors"))
    heads, hidden, epsilon = config["num_attention_heads"], config["hidden_size"], config["layer_norm_eps"]

    words = g.op("Gather", g.tensor("embeddings.word_embeddings.weight"), "ids")
    length = g.op("Slice", g.op("Shape", "ids"), g.constant("one", np.array([1], np.int64)), g.constant("two", np.array([2], np.int64)))
    positions = g.op("Slice", g.tensor("embeddings.position_embeddings.weight"), g.constant("zero", np.array([0], np.int64)), length)
    types = g.constant("type", g.tensors["embeddings.token_type_embeddings.weight"][0])
    x = g.layer_norm(g.op("Add", g.op("Add", words, positions), types), "embeddings.LayerNorm", epsilon)

    axes = g.constant("mask_axes", np.array([1, 2], np.int64))
    mask = g.op("Cast", g.op("Unsqueeze", "mask", axes), to=TensorProto.FLOAT)
    one = g.constant("float_one", np.array(1, np.float32))
    bias = g.op("Mul", g.op("Sub", one, mask), g.constant("lowest", np.array(-1e9, np.float32)))
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}"

        def split(name: str) -> str:
            y = g.op("Reshape", g.linear(x, f"{layer}.attention.self.{name}"), g.shape(0, 0, heads, hidden // heads))
            return g.op("Transpose", y, perm=[0, 2, 3, 1] if name == "key" else [0, 2, 1, 3])

        scores = g.op("Div", g.op("MatMul", split("query"), split("key")), g.constant("root", np.array((hidden / heads)**0.5, np.float32)))
        weights = g.op("Softmax", g.op("Add", scores, bias), axis=-1)
        context = g.op("Transpose", g.op("MatMul", weights, split("value")), perm=[0, 2, 1, 3])
        attention = g.linear(g.op("Reshape", context, g.shape(0, 0, hidden)), f"{layer}.attention.output.dense")
        x = g.layer_norm(g.op("Add", attention, x), f"{layer}.attention.output.LayerNorm", epsilon)
        up = g.op("Gelu", g.linear(x, f"{layer}.intermediate.dense"))
        x = g.layer_norm(g.op("Add", g.linear(up, f"{layer}.output.dense"), x), f"{layer}.output.LayerNorm", epsilon)

    token_mask = g.op("Cast", g.op("Unsqueeze", "mask", g.constant("last", np.array([-1], np.int64))), to=TensorProto.FLOAT)
    axis = g.constant("tokens_axis", np.array([1], np.int64))
    mean = g.op("Div", g.op("ReduceSum", g.op("Mul", x, token_mask), axis, keepdims=0), g.op("ReduceSum", token_mask, axis, keepdims=0))
    g.nodes.append(helper.make_node("LpNormalization", [mean], ["embedding"], axis=-1, p=2))

    graph = helper.make_graph(
        g.nodes, "all-MiniLM-L6-v2",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"]) for name in ("ids", "mask")],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", hidden])],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in g.constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(model)
    return model
