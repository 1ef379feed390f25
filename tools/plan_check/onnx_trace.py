"""Runs an ONNX file once with onnxruntime, every value between its nodes as an output, and writes down what its linears are.

What is behind a linear and before it is told by values, not by patterns of nodes: an activation is whatever yields act(y) of the linear's output y, a norm
whatever yields rows of variance 1 behind its scale and shift.
"""

import math
import pathlib
import re
import tempfile

import numpy as np
import onnx
import onnxruntime

from plan_check.activations import ACTIVATIONS
from plan_check.truth import Linear, Read, Truth

# op -> where its weight is among the inputs; the weight is [K, N].
PRODUCTS = {"MatMul": 1, "FusedMatMul": 1, "MatMulInteger": 1, "QLinearMatMul": 3, "MatMulIntegerToFloat": 1,
            "DynamicQuantizeMatMul": 1, "Gemm": 1, "FusedGemm": 1, "QGemm": 3, "MatMulNBits": 1, "Attention": 1, "QAttention": 1}
BIASES = {"Gemm": 2, "FusedGemm": 2, "QGemm": 6, "MatMulIntegerToFloat": 6, "DynamicQuantizeMatMul": 4, "MatMulNBits": 5,
          "Attention": 2, "QAttention": 2}
SAME = {"Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Dropout", "QuantizeLinear", "DequantizeLinear",
        "DynamicQuantizeLinear"}
ROWS = {"Gather", "GatherElements", "GatherND", "Slice", "Split", "Transpose"}
NORMS = {"LayerNormalization", "SimplifiedLayerNormalization", "RMSNormalization", "SkipLayerNormalization",
         "SkipSimplifiedLayerNormalization", "EmbedLayerNormalization"}
REACH = 24  # nodes that an activation may be made of


def _run(path: pathlib.Path, model, tokens: int) -> dict:
    """The value of every output of every node."""
    given = {output.name for output in model.graph.output}
    for node in model.graph.node:
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in node.output if name and name not in given)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory() as folder:
        for beside in path.parent.iterdir():  # weights in files of their own
            if beside.is_file() and beside.suffix != ".onnx":
                (pathlib.Path(folder) / beside.name).symlink_to(beside.resolve())
        file = pathlib.Path(folder) / "whole.onnx"
        onnx.save(model, file)
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, {one.name: _input(one, tokens) for one in session.get_inputs()})))


def _input(one, tokens: int):
    generator = np.random.default_rng(7)
    shape = []
    for axis, extent in enumerate(one.shape):
        if isinstance(extent, int):
            shape.append(extent)
        elif axis == 0 or "batch" in str(extent):
            shape.append(1)
        else:
            shape.append(0 if str(extent).startswith("past") else tokens)
    if "float" in one.type:
        return generator.standard_normal(shape).astype(np.float16 if "16" in one.type else np.float32)
    if one.type == "tensor(bool)":
        return np.ones(shape, bool)
    kind = np.int32 if "int32" in one.type else np.int64
    if "mask" in one.name:
        return np.ones(shape, kind)
    if "type" in one.name:
        return np.zeros(shape, kind)
    return (np.arange(math.prod(shape), dtype=kind) % max(tokens, 1)).reshape(shape)


class OnnxTrace:
    def __init__(self, path: pathlib.Path, tokens: int):
        model = onnx.load(path, load_external_data=False)
        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
        self.tokens, self.nodes = tokens, list(model.graph.node)
        self.weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self.maker = {name: node for node in self.nodes for name in node.output}
        self.readers: dict[str, list] = {}
        for node in self.nodes:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.outputs = {output.name for output in model.graph.output}
        self.constant = set(self.weights)
        for node in self.nodes:
            if node.op_type == "Constant" or node.input and all(name in self.constant or not name for name in node.input):
                self.constant.update(node.output)
        self.values = _run(path, model, tokens)
        for tensor in self.weights.values():
            if tensor.data_location != onnx.TensorProto.EXTERNAL:
                self.values[tensor.name] = onnx.numpy_helper.to_array(tensor)
        self.linears: list[Linear] = []
        self.aliases: dict[str, str] = {}
        self.uses: dict[str, int] = {}  # how many linears so far go by a name
        self.norms: dict[str, str] = {}
        self.made: dict[str, Linear] = {}  # the value behind bias and activation -> the linear

    def shape(self, name: str):
        return self.values[name].shape if name in self.values else tuple(self.weights[name].dims)

    def root(self, name: str, constant: bool = False) -> str:
        """The value that `name` is, but for its type, its quantization and how it is cut into axes."""
        while name in self.maker and self.maker[name].op_type in SAME | ({"Transpose"} if constant else set()):
            name = self.maker[name].input[0]
        return name

    def read(self, name: str) -> Read:
        """What a linear reads, looked for behind what picks or moves whole rows."""
        rows, last = False, self.shape(name)[-1] if name in self.values and self.shape(name) else None
        while (node := self.maker.get(name)) is not None and node.op_type in SAME | ROWS:
            before = self.values.get(node.input[0])
            if node.op_type in ROWS:
                order = next((list(a.ints) for a in node.attribute if a.name == "perm"), None)
                if before is None or not before.shape or before.shape[-1] != last or order and order[-1] != len(order) - 1:
                    break
                rows = True
            name = node.input[0]
        return Read(name, self.norm(name), rows)

    def names_of(self, node, weight: str) -> list[str]:
        names = [re.sub(r"\.(weight|bias|MatMul\w*)$|_(quantized|scale|Q4|Q8)$|\.parametrizations.*$", "", self.root(weight, True))]
        for entry in node.metadata_props:
            if entry.key == "pkg.torch.onnx.name_scopes":
                scopes = [scope for scope in re.findall(r"'([^']*)'", entry.value) if scope]
                names += scopes[-2:][::-1]
        names.append(re.sub(r"/[^/]*$", "", node.name).strip("/").replace("/", "."))
        names.append(node.name)
        return [name for name in names if name]

    def run(self) -> "OnnxTrace":
        for node in self.nodes:
            at = PRODUCTS.get(node.op_type)
            if at is not None and at < len(node.input) and node.input[at] in self.constant and node.input[0] not in self.constant:
                if node.op_type not in ("Attention", "QAttention") or node.domain == "com.microsoft":
                    self.linear(node, node.input[at])
            elif node.op_type == "Conv" and node.input[1] in self.constant:
                self.convolution(node)
        self.find_gates()
        return self

    def convolution(self, node):
        attributes = {a.name: list(a.ints) or a.i for a in node.attribute}
        n, *rest = self.shape(node.input[1])
        kernel = list(rest[1:])
        if attributes.get("group", 1) != 1 or any(attributes.get("pads", [])) or attributes.get("strides", [1] * len(kernel)) != kernel:
            return
        m = math.prod(self.shape(node.output[0])) // n
        self.add(node, node.input[1], Linear("", m, math.prod(rest), n, len(node.input) > 2, kind="conv",
                                             reads=[Read(f"{node.output[0]}")]))

    def linear(self, node, weight: str):
        attributes = {a.name: a for a in node.attribute}
        shape = self.shape(weight)
        if node.op_type == "MatMulNBits":
            k, n = attributes["K"].i, attributes["N"].i
        elif len(shape) < 2 or math.prod(shape[:-2]) != 1:
            return
        else:
            turned = "transB" in attributes and attributes["transB"].i
            k, n = shape[-2:][::-1] if turned else shape[-2:]
        out = node.output[0]
        at = BIASES.get(node.op_type, len(node.input))
        bias = at < len(node.input) and bool(node.input[at])
        while not bias:
            step = self.only_reader(out)
            other = step and [name for name in step.input if self.root(name) != self.root(out)]
            # [1, n] is what a network adds for another reason, as BART does behind its head: torch's linear has no part in it.
            if step is not None and step.op_type == "Add" and len(other) == 1 and other[0] in self.constant \
                    and self.shape(other[0]) == (n,):
                out, bias = step.output[0], True
            elif step is not None and (step.op_type in SAME - {"Reshape"} or step.op_type == "Mul" and out not in self.values
                                       or step.op_type == "Mul" and self.values[out].dtype == np.int32):
                out = step.output[0]  # scales of an integer product
            elif step is not None and step.op_type == "Mul" and node.op_type == "MatMulInteger" and self.scales(step, out):
                out = step.output[0]
            else:
                break
        act, behind = self.activation(out)
        linear = Linear("", math.prod(self.shape(node.output[0])) // n, k, n, bias, act, reads=[self.read(node.input[0])])
        self.add(node, weight, linear)
        self.made[self.root(behind)] = linear
        self.made.setdefault(self.root(out), linear)

    def scales(self, step, out: str) -> bool:
        """Whether it multiplies an integer product, cast to float, by its scales."""
        return all(name == out or math.prod(self.shape(name)) in (1, self.shape(out)[-1]) for name in step.input)

    def only_reader(self, name: str):
        readers = self.readers.get(name, [])
        return readers[0] if len(readers) == 1 else None

    def add(self, node, weight: str, linear: Linear):
        names = self.names_of(node, weight)
        taken = {one.name for one in self.linears}
        linear.name = next((name for name in names if name not in taken), f"{names[0]}#{len(taken)}")
        linear.weight = self.root(weight, True)
        self.linears.append(linear)
        for name in names:
            self.aliases.setdefault(name, linear.name)
        # Of a module that runs several times the second linear is "X#2" elsewhere.
        for name in set(names):
            self.uses[name] = self.uses.get(name, 0) + 1
            self.aliases.setdefault(f"{name}#{self.uses[name]}", linear.name)

    def activation(self, y: str) -> tuple[str, str]:
        """What is applied to all of y, where nothing else reads y or what is on the way; and the value behind it."""
        if y not in self.values or self.values[y].dtype not in (np.float32, np.float16):
            return "none", y
        source = self.values[y].astype(np.float64).ravel()
        reached, front, inside = {y}, [y], []
        expected = None
        for _ in range(REACH):
            node = next((one for name in front for one in self.readers.get(name, []) if one not in inside
                         and all(i in reached or i in self.constant or not i
                                 for i in (one.input[:1] if one.op_type in SAME else one.input))), None)
            if node is None:
                return "none", y
            inside.append(node)
            reached.update(node.output)
            front += node.output
            z = node.output[0]
            value = self.values.get(z)
            if value is None or value.size != source.size or value.dtype.kind != "f" or node.op_type in SAME:
                continue
            closed = all(reader in inside for name in reached - {z} for reader in self.readers.get(name, [])) \
                and not (reached - {z}) & self.outputs
            if not closed:
                continue
            if expected is None:
                expected = {name: np.array([function(float(v)) for v in source[:4096]]) for name, function in ACTIVATIONS.items()}
            tolerance = (2e-3 if value.dtype == np.float16 else 2e-5) * (1 + np.abs(source[:4096]))
            fits = {name: float(np.max(np.abs(want - value.ravel()[:4096]) / tolerance)) for name, want in expected.items()}
            quantized = any(one.op_type == "QuantizeLinear" for one in inside)
            best = min(fits.values())
            if best > (2000 if quantized else 1):
                continue
            return "|".join(name for name, error in fits.items() if error <= max(3 * best, 0.02)), z
        return "none", y

    def norm(self, x: str) -> str | None:
        node = self.maker.get(x)
        if node is None:
            return None
        if node.op_type in NORMS:
            at = {"SkipLayerNormalization": 2, "SkipSimplifiedLayerNormalization": 2, "EmbedLayerNormalization": 5}.get(node.op_type, 1)
            return self.name_norm(node, node.input[at]) if x == node.output[0] else None
        if node.op_type == "Add":
            inner = [self.root(name) for name in node.input if name not in self.constant]
            if len(inner) != 1 or inner[0] not in self.maker or self.maker[inner[0]].op_type != "Mul":
                return None
            node = self.maker[inner[0]]
        if node.op_type != "Mul":
            return None
        scale = [name for name in node.input if name in self.constant]
        rows = [name for name in node.input if name not in self.constant]
        if len(scale) != 1 or len(rows) != 1 or math.prod(self.shape(scale[0])) != self.shape(rows[0])[-1]:
            return None
        return self.name_norm(node, scale[0]) if self.is_normal(rows[0]) else None

    def is_normal(self, rows: str) -> bool:
        """Whether rows have variance 1, but for one epsilon that was added to every one's before it divided them."""
        power = np.mean(self.values[rows].astype(np.float64) ** 2, axis=-1)
        if np.all(np.abs(power - 1) < 0.05):
            return True
        some = power > 0  # the embedding of padding is 0
        made = self.maker.get(self.root(rows))
        if made is None or made.op_type not in ("Mul", "Div") or not np.any(some):
            return False
        for name in made.input:
            if self.shape(name) == self.shape(rows):
                square = np.mean(self.values[name].astype(np.float64) ** 2, axis=-1)
                square, power = square[some], power[some]
                least = np.argmin(square)  # where an epsilon shows most
                epsilon = square[least] * (1 / power[least] - 1)
                return bool(epsilon <= 1e-3 and np.all(np.abs(power - square / (square + epsilon)) < 1e-3))
        return False

    def name_norm(self, node, scale: str) -> str:
        names = self.names_of(node, scale)
        for name in names:
            self.norms.setdefault(name, names[0])
        return names[0]

    def find_gates(self):
        for node in self.nodes:
            if node.op_type != "Mul":
                continue
            a, b = (self.made.get(self.root(name)) for name in node.input)
            for gate, up in ((a, b), (b, a)):
                if gate and up and gate is not up and gate.act != "none" and up.act == "none" and gate.n == up.n:
                    up.gates = gate.name


def trace(path: pathlib.Path, tokens: int):
    """What runs, and other names of the same linears and norms (those of nodes, where the weights have names too)."""
    seen = OnnxTrace(path, tokens).run()
    norms = [read.norm for linear in seen.linears for read in linear.reads if read.norm]
    truth = Truth(f"onnxruntime {onnxruntime.__version__}", path.name, tokens, seen.linears, list(dict.fromkeys(norms)))
    return truth, {**seen.aliases, **seen.norms}
