"""Runs a torch module once and writes down which linears ran, what each read and what became of its output.

A TorchFunctionMode sees every call of torch's API. A value is what one of them computed; views, copies, casts and slices of a
value are the value itself, with a word on which part of it they are. Modules that are norms or activations count as
one call: which they are, probe.py finds out by calling them.
"""

import dataclasses
import re

import torch
from torch.overrides import TorchFunctionMode, resolve_name

from plan_check.probe import activation_of_function, is_norm
from plan_check.truth import Linear, Read, Truth

VIEWS = {"view", "reshape", "flatten", "unflatten", "contiguous", "clone", "detach", "to", "float", "half", "bfloat16", "type",
         "type_as", "squeeze", "unsqueeze", "view_as", "reshape_as", "dropout", "expand", "expand_as", "pad", "alpha_dropout",
         "ravel", "cpu", "requires_grad_", "nan_to_num", "repeat", "identity", "broadcast_to", "cat", "concat", "stack"}
PARTS = {"__getitem__", "chunk", "split", "split_with_sizes", "tensor_split", "unbind", "narrow", "select", "index_select",
         "gather", "masked_select", "take_along_dim"}
MOVES = {"transpose", "permute", "swapaxes", "movedim", "t", "T", "mT", "roll", "flip"}
ACTIVATIONS = {"gelu", "silu", "relu", "relu_", "relu6", "hardswish", "tanh", "sigmoid", "elu", "softplus", "mish", "silu_", "tanh_"}
MATMULS = {"matmul", "__matmul__", "__rmatmul__", "mm", "bmm", "linear", "addmm", "baddbmm", "einsum", "conv1d", "conv2d", "conv3d"}
# Reads nothing of the values.
SILENT = {"size", "dim", "numel", "stride", "shape", "__len__", "is_contiguous", "data_ptr", "element_size", "is_floating_point",
          "untyped_storage", "get_device", "storage_offset", "__repr__", "__format__", "empty_like", "zeros_like", "ones_like",
          "new_zeros", "new_ones", "new_empty", "new_full", "full_like", "__get__", "dtype", "device", "is_complex", "finfo"}


@dataclasses.dataclass
class Value:
    number: int
    last: int  # features of a row
    norm: str | None = None
    linear: "Call | None" = None  # whose output it is
    act_of: "Call | None" = None  # the linear behind whose activation it stands
    piece: str = ""  # of which equal run of the columns of act_of, "0/2"; empty: of all
    readers: set[str] = dataclasses.field(default_factory=set)  # what else than views and its activation reads it


@dataclasses.dataclass(frozen=True)
class View:
    value: int
    rows: bool = False  # other rows, or in another order
    part: bool = False  # other features
    piece: str = ""  # which, where they are one of equal runs of the value's: "1/2" is the second of two


@dataclasses.dataclass
class Call:
    linear: Linear
    output: int = -1
    begin: int = 0  # of its weight in the parameter, in elements
    act: str | None = None
    gates: "Call | None" = None


def tensors(tree):
    if isinstance(tree, torch.Tensor):
        yield tree
    elif isinstance(tree, (list, tuple)):
        for item in tree:
            yield from tensors(item)
    elif isinstance(tree, dict):
        for item in tree.values():
            yield from tensors(item)


class Trace(TorchFunctionMode):
    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.values: list[Value] = []
        self.views: dict[int, View] = {}
        self.kept = []  # so that no id is used twice
        self.calls: list[Call] = []
        self.stack = [("", model)]
        self.opaque = 0  # inside a module that counts as one call
        self.norms: list[str] = []
        self.parameters = {}
        for name, parameter in model.named_parameters(remove_duplicate=False):
            self.parameters.setdefault(parameter.untyped_storage().data_ptr(), (name, parameter))
        self.handles = []
        activations = {}
        for name, module in model.named_modules():
            if is_norm(module):
                self.norms.append(name)
                self._hook(name, module, lambda out, x, name=name: self._set_norm(out, name))
            elif not any(True for _ in module.children()) and not any(True for _ in module.parameters()):
                kind = activations.setdefault((type(module), repr(module), getattr(getattr(module, "act", None), "__name__", "")),
                                              activation_of_function(module))
                if kind:
                    self._hook(name, module, lambda out, x, kind=kind: self._set_activation(out, x, kind))
                else:
                    self._hook(name, module, None)
            else:
                self._hook(name, module, None)

    def _hook(self, name, module, result):
        def before(module, inputs):
            self.stack.append((name, module))
            self.opaque += result is not None

        def after(module, inputs, output):
            self.stack.pop()
            if result is None:
                return
            self.opaque -= 1
            if self.opaque == 0 and isinstance(output, torch.Tensor):
                result(output, next(tensors(inputs), None))

        self.handles += [module.register_forward_pre_hook(before), module.register_forward_hook(after)]

    # Values.

    def _new(self, tensor, **what) -> Value:
        value = Value(len(self.values), tensor.shape[-1] if tensor.dim() else 1, **what)
        self.values.append(value)
        self._alias(tensor, View(value.number))
        return value

    def _alias(self, tensor, view: View):
        self.views[id(tensor)] = view
        self.kept.append(tensor)

    def _view(self, tensor) -> View:
        if id(tensor) not in self.views:
            self._new(tensor)
        return self.views[id(tensor)]

    def _whole(self, tensor) -> bool:
        """All features of each row of its value, whatever the rows."""
        view = self._view(tensor)
        return not view.part and tensor.dim() > 0 and tensor.shape[-1] == self.values[view.value].last

    def _ordinal(self, tensor) -> int:
        return next(i for i, kept in enumerate(self.kept) if kept is tensor)

    def _set_norm(self, out, name):
        self._new(out, norm=name)

    def _set_activation(self, out, x, kind):
        self._new(out)
        if x is None or not isinstance(x, torch.Tensor):
            return
        view = self._view(x)
        source = self.values[view.value]
        if source.linear and self._whole(x) and not view.rows and not source.readers and source.linear.act in (None, kind):
            source.linear.act = kind
            self.values[-1].act_of = source.linear
            source.readers.add(f"act {kind}")
        else:
            if source.linear and view.piece and not view.rows:
                source.linear.linear.acts[view.piece] = kind
                self.values[-1].act_of, self.values[-1].piece = source.linear, view.piece
            source.readers.add("an activation of a part")

    # Calls.

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if self.opaque:
            return function(*args, **kwargs)
        name = getattr(function, "__name__", "")
        if name == "__get__" and "T.__get__" in (resolve_name(function) or ""):
            name = "T"
        if function is torch.nn.functional.multi_head_attention_forward:
            return self._look_into(function, args, kwargs)
        out = function(*args, **kwargs)
        if name not in SILENT:
            self._record(name, args, kwargs, out)
        return out

    def _look_into(self, function, args, kwargs):
        """Calls a function of torch.nn.functional so that the calls it makes itself are seen, instead of it."""
        space = function.__globals__
        ask = space["has_torch_function"]
        space["has_torch_function"] = lambda *_: False
        try:
            with self:
                return function(*args, **kwargs)
        finally:
            space["has_torch_function"] = ask

    def _record(self, name, args, kwargs, out):
        inputs = [t for t in tensors([args, kwargs])]
        if name == "__setitem__" or name.endswith("_") and not name.endswith("__"):
            if inputs and id(inputs[0]) in self.views and name not in ACTIVATIONS:
                self._read(name, inputs)
                self._new(inputs[0])
                return
        outputs = [t for t in tensors(out)]
        if not outputs:
            return
        if name in MATMULS and self._linear(name, args, kwargs, inputs, outputs[0]):
            return
        if name in ACTIVATIONS and inputs:
            kind = "*" + name.rstrip("_") if name.rstrip("_") in ("tanh", "sigmoid", "elu", "softplus", "mish") else name.rstrip("_")
            if name == "gelu" and kwargs.get("approximate", "none") == "tanh":
                kind = "gelu_tanh"
            self._set_activation(outputs[0], inputs[0], kind)
            return
        if name in VIEWS | PARTS | MOVES and inputs and self._parts(name, args, inputs[0], outputs):
            return
        if name in ("add", "__add__", "__radd__", "__iadd__", "add_") and self._bias(inputs, outputs[0]):
            return
        if name in ("mul", "__mul__", "__rmul__", "multiply"):
            self._gate(inputs)
        self._read(name, inputs)
        for output in outputs:
            self._new(output)

    def _read(self, name, inputs):
        for tensor in inputs:
            if id(tensor) in self.views:
                self.values[self.views[id(tensor)].value].readers.add(name)

    def _parts(self, name, args, source, outputs) -> bool:
        view = self._view(source)
        for out in outputs:
            if out is source:
                continue
            same = source.dim() and out.dim() and out.shape[-1] == source.shape[-1]
            if name in MOVES:
                moved = not same or name in ("t", "T", "mT") or name == "permute" and not self._keeps_last(args, source) \
                    or name in ("transpose", "swapaxes") and (source.dim() - 1) in [d % source.dim() for d in args[1:3]]
                self._alias(out, View(view.value, True, view.part or moved, "" if moved else view.piece))
            elif name in PARTS:
                fewer = out.numel() < source.numel()
                piece = view.piece if same else self._piece(view, source, out)
                # A run of the columns alone has all the rows.
                fewer = fewer and not (piece and out.numel() * source.shape[-1] == source.numel() * out.shape[-1])
                self._alias(out, View(view.value, view.rows or fewer or name in ("gather", "index_select"),
                                      view.part or not same, piece))
            elif out.numel() == source.numel():
                self._alias(out, view)
            else:
                return False
        return True

    def _piece(self, view: View, source, out) -> str:
        """Which of equal runs of the columns of its value `out` is; "": it is none."""
        width, size = self.values[view.value].last, out.shape[-1] if out.dim() else 0
        if view.part or size == 0 or width % size or out.untyped_storage().data_ptr() != source.untyped_storage().data_ptr():
            return ""
        begin = out.storage_offset() - source.storage_offset()
        is_run = out.stride(-1) == source.stride(-1) == 1 and out.shape[:-1] == source.shape[:-1] and begin % size == 0
        return f"{begin // size}/{width // size}" if is_run and begin < width else ""

    @staticmethod
    def _keeps_last(args, source) -> bool:
        order = args[1] if len(args) == 2 and not isinstance(args[1], int) else args[1:]
        return bool(order) and order[-1] % source.dim() == source.dim() - 1

    def _parameter(self, tensor):
        """The parameter whose memory it is, with its name; None: it is no parameter."""
        if not isinstance(tensor, torch.Tensor) or tensor.is_sparse:
            return None
        return self.parameters.get(tensor.untyped_storage().data_ptr()) if tensor.numel() else None

    def _linear(self, name, args, kwargs, inputs, out) -> bool:
        weights = [t for t in inputs if self._parameter(t) and t.dim() >= 2]
        others = [t for t in inputs if not self._parameter(t) or t.dim() < 2]
        if name == "addmm" or name == "baddbmm":
            others = [t for t in others if t is not inputs[0]]
        if name == "linear" and len(weights) == 2:  # of rows that are parameters too, such as relative positions
            weights, others = weights[1:], [weights[0], *others]
        if len(weights) != 1 or not others or name == "einsum":
            return False
        weight, x = weights[0], others[0]
        parameter_name, parameter = self._parameter(weight)
        if name.startswith("conv"):
            stride = kwargs.get("stride", args[3] if len(args) > 3 else 1)
            padding = kwargs.get("padding", args[4] if len(args) > 4 else 0)
            groups = kwargs.get("groups", args[6] if len(args) > 6 else 1)
            kernel = tuple(weight.shape[2:])
            stride = (stride,) * len(kernel) if isinstance(stride, int) else tuple(stride) * (len(kernel) // len(stride))
            padding = (padding,) if isinstance(padding, int) else () if padding == "valid" else padding
            if groups != 1 or stride != kernel or any(p != 0 for p in padding):
                return False
            n, k = weight.shape[0], weight[0].numel()
            m = out.numel() // n
        else:
            n, k = out.shape[-1], x.shape[-1]
            m = out.numel() // max(1, n)
        if weight.dim() != 2 and not name.startswith("conv"):
            return False
        module_name, module = self.stack[-1]
        own = dict(module.named_parameters(recurse=False))
        index = None
        if own.get("weight") is not None and own["weight"].untyped_storage().data_ptr() == weight.untyped_storage().data_ptr():
            linear_name = module_name
            parameter_name = f"{module_name}.weight" if module_name else "weight"
        else:
            linear_name = re.sub(r"[._]weight$", "", parameter_name)
            if parameter.dim() == 3:
                index = (weight.storage_offset() - parameter.storage_offset()) // parameter[0].numel()
        bias = (name == "addmm") or any(self._parameter(t) and t.dim() == 1 for t in others)
        view = self._view(x)
        value = self.values[view.value]
        whole = self._whole(x) and not name.startswith("conv")
        read = Read(f"{view.value}" if whole else f"{view.value}.{self._ordinal(x)}",
                    value.norm if whole else None, view.rows)
        kind = "conv" if name.startswith("conv") else "linear" if index is None else "experts"
        call = Call(Linear(linear_name, m, k, n, bias, reads=[read], weight=parameter_name, kind=kind,
                           experts=1 if index is None else index + 1), begin=weight.storage_offset())
        value.readers.add(f"linear {linear_name}")
        self.calls.append(call)
        self._new(out, linear=call)
        call.output = self.views[id(out)].value
        if name.startswith("conv"):
            self.values[-1].last = n  # rows are made by the transposition behind it
        return True

    def _bias(self, inputs, out) -> bool:
        if len(inputs) != 2:
            return False
        for x, b in (inputs, inputs[::-1]):
            view = self.views.get(id(x))
            if view and self.values[view.value].linear and self._parameter(b) and b.shape[-1] == x.shape[-1] == b.numel():
                call = self.values[view.value].linear
                # A parameter of a module around it is added for another reason: the time step of linear attention.
                if not self._parameter(b)[0].startswith(call.linear.name):
                    continue
                if not call.linear.bias and not self.values[view.value].readers:
                    call.linear.bias = True
                    self._alias(out, view)
                    return True
        return False

    def _gate(self, inputs):
        if len(inputs) != 2:
            return
        for gate, up in (inputs, inputs[::-1]):
            a, b = self.views.get(id(gate)), self.views.get(id(up))
            if not a or not b or gate.shape != up.shape or not self._whole(gate):
                continue
            of, linear = self.values[a.value].act_of, self.values[b.value].linear
            if (piece := self.values[a.value].piece) and of is linear and b.piece and not b.rows:
                of.linear.gated[b.piece] = piece
            if piece or not self._whole(up):
                continue
            if of and linear and not of.act.startswith("*"):
                linear.gates = of

    # The result.

    def linears(self) -> list[Linear]:
        found: dict[str, Linear] = {}
        begins: dict[str, set[int]] = {}
        for call in self.calls:
            one = call.linear
            act = call.act or "none"
            if any(reader != f"act {act}" for reader in self.values[call.output].readers):
                act = "none"  # something else reads what is before the activation
            gates = call.gates.linear.name if call.gates else ""
            pieces = begins.setdefault(one.name, {call.begin})
            if one.name not in found:
                found[one.name] = dataclasses.replace(one, act=act, gates=gates)
                continue
            known = found[one.name]
            known.reads += one.reads
            if call.begin not in pieces and one.kind == "linear":
                known.n += one.n  # a weight in pieces, as queries and keys of other rows
            pieces.add(call.begin)
            known.m = max(known.m, one.m)
            known.experts = max(known.experts, one.experts)
            known.acts = {piece: kind for piece, kind in known.acts.items() if one.acts.get(piece) == kind}
            known.gated = {piece: gate for piece, gate in known.gated.items() if one.gated.get(piece) == gate}
            known.act = act if known.act == act else "none"
            known.gates = gates if known.gates == gates else ""
        return list(found.values())


def trace(model: torch.nn.Module, inputs: dict, source: str, tokens: int) -> Truth:
    """`inputs` are the keywords of forward()."""
    model.eval()
    tracer = Trace(model)
    try:
        with torch.no_grad(), tracer:
            model(**inputs)
    finally:
        for handle in tracer.handles:
            handle.remove()
    return Truth(source, type(model).__name__, tokens, tracer.linears(), tracer.norms)
