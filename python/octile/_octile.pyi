"""Octile's library; import octile instead."""

from collections.abc import Sequence
from typing import Any


def isa_levels() -> list[str]:
    """
    Instruction-set levels that are used on this CPU, the lowest first; OCTILE_ISA limits them.
    """

def threads() -> int:
    """
    How many threads a call may use: what set_threads() said, OCTILE_NUM_THREADS, or the processors there are.
    """

def set_threads(count: int) -> None:
    """For the whole process; 0: the default again."""

def core() -> str | None:
    """
    The core whose schedules run; OCTILE_CORE names another. None: one without a name.
    """

def cores() -> list[str]:
    """Names of the cores that octile.plan() knows the costs of."""

class Rows:
    """
    Rows that Linear.pack_rows() or a Norm has quantized or packed, for every linear that accepts them.
    """

    @property
    def rows(self) -> int: ...

    @property
    def k(self) -> int: ...

    @property
    def nbytes(self) -> int: ...

    def __repr__(self) -> str: ...

class Linear:
    """
    One linear layer, y = act(x w^T + bias), packed for this CPU.

    Any number of threads may call it at once. It never changes, so that copies are the same object.
    """

    def __init__(self, weight: object | None, bias: object | None = None, *, precision: str = 'int8', activation: str | None = None, range: tuple[float, float] | None = None, input_scaling: str = 'dynamic', input_scale: float | None = None, input_multiplier: object | None = None, isa: object | None = None) -> None:
        """
        From weights [N, K] of float32, float16 or bfloat16, which are copied.

        precision: int8, fp16 or int4. activation: relu, relu6, hardswish, gelu, gelu_tanh, quick_gelu or silu; or range, (low, high). input_scaling: dynamic, static (with input_scale) or asymmetric. input_multiplier [K]: SmoothQuant's 1/s. isa: the highest instruction-set level to use.
        """

    @staticmethod
    def from_levels(levels: object | None, scale: object | None, bias: object | None = None, *, precision: str = 'int8', activation: str | None = None, range: tuple[float, float] | None = None, input_scaling: str = 'dynamic', input_scale: float | None = None, input_multiplier: object | None = None, isa: object | None = None) -> Linear:
        """
        From INT8 levels [N, K] and what a level of each output channel is worth, scale [N].
        """

    @staticmethod
    def gated(gate: object | None, up: object | None, gate_bias: object | None = None, up_bias: object | None = None, *, precision: str = 'int8', activation: str | None = None, range: tuple[float, float] | None = None, input_scaling: str = 'dynamic', input_scale: float | None = None, input_multiplier: object | None = None, isa: object | None = None) -> Linear:
        """
        A gated layer, act(x gate^T + gate_bias) * (x up^T + up_bias), as SwiGLU's.
        """

    def pack_rows(self, x: object | None) -> Rows:
        """
        Rows of x, quantized or packed once for every linear that accepts them.
        """

    def accepts(self, rows: Rows) -> bool: ...

    def __call__(self, x: object | None, *, out: object | None = None, dtype: object | None = None, residual: object | None = None, output_scale: float | None = None) -> object:
        """
        x [..., K] to y [..., N]: a tensor of torch to one, everything else to an array of numpy.

        y has x's type, or dtype; it is written to out, if that is given. residual [..., N] is added. dtype int8 needs output_scale: what one level is worth.
        """

    def kernel(self, m: int) -> str:
        """Name of the kernel that multiplies m rows."""

    @property
    def k(self) -> int:
        """Input features."""

    @property
    def n(self) -> int:
        """Output features."""

    @property
    def shape(self) -> tuple[int, int]:
        """(n, k), as of the weights."""

    @property
    def precision(self) -> str: ...

    @property
    def activation(self) -> str: ...

    @property
    def is_gated(self) -> bool: ...

    @property
    def nbytes(self) -> int:
        """Memory of packed weights, scales and bias."""

    def __repr__(self) -> str: ...

    def __copy__(self) -> object: ...

    def __deepcopy__(self, memo: object) -> object: ...

    def state(self) -> dict[str, Any]:
        """
        Arrays and keywords that make it again on any CPU, with the same results: what a pickle holds.
        """

    def __reduce__(self) -> tuple: ...

class Norm:
    """
    Layer norm or RMS norm over the last dimension, in float32 and never quantized.
    """

    def __init__(self, weight: object | None, bias: object | None = None, *, kind: str = 'layernorm', eps: float = 9.999999747378752e-06, isa: object | None = None) -> None:
        """weight [K], bias [K]; kind: layernorm or rmsnorm, which has no bias."""

    def __call__(self, x: object | None, *, dtype: object | None = None, consumer: Linear | None = None) -> object:
        """
        x [..., K] to y of the same shape, and of x's type or dtype.

        With consumer, a Linear: y and the Rows that it, and every Linear that accepts them, may be called with.
        """

    @property
    def k(self) -> int: ...

    @property
    def eps(self) -> float: ...

    def __repr__(self) -> str: ...

class Plan:
    """
    What was decided for every layer of a network, and why. Prints as a table, in a notebook too.
    """

    @staticmethod
    def from_json(json: str) -> Plan:
        """A plan that to_json() or `octile plan --format json` has written."""

    @property
    def model(self) -> str:
        """The network's name."""

    @property
    def policy(self) -> str: ...

    @property
    def rows(self) -> list[dict[str, Any]]:
        """A dict for each layer, in execution order, with the keys of to_json()."""

    @property
    def totals(self) -> dict[str, Any]:
        """
        How many linears are INT8 and FP16, why the others were left, and both times.
        """

    @property
    def notes(self) -> list[str]:
        """Lines that octile plan prints beside the plan."""

    def to_json(self) -> str:
        """As octile plan --format json."""

    def to_html(self) -> str:
        """One HTML file, as octile plan --format html."""

    def to_csv(self) -> str: ...

    def to_markdown(self) -> str: ...

    def explain(self, layer: str) -> str:
        """Why a layer is what it is, and at which M it would be the other."""

    def compare(self, before: Plan) -> list[str]:
        """
        What has changed since another plan, a line each; none: they are equal.
        """

    def __len__(self) -> int: ...

    def __eq__(self, arg: object, /) -> bool: ...

    def __str__(self) -> str: ...

    def __repr__(self) -> str: ...

    def __reduce__(self) -> tuple: ...

class SessionInput:
    """What a network reads."""

    @property
    def name(self) -> str: ...

    @property
    def features(self) -> int:
        """Columns of float32; 0: an index for each row."""

    @property
    def optional(self) -> bool: ...

    def __repr__(self) -> str: ...

class SessionOutput:
    """What a network yields."""

    @property
    def name(self) -> str: ...

    @property
    def features(self) -> int: ...

    @property
    def per_sequence(self) -> bool:
        """A row for each sequence instead of each token."""

    def __repr__(self) -> str: ...

class Session:
    """Runs a network; keys and values of causal attention are its own."""

    def run(self, inputs: object | None, lengths: Sequence[int] | None = None) -> dict:
        """
        Outputs by name, of float32.

        inputs: arrays by name, or the only one. Indices (int32, int64) are [rows], values (float32) [rows, features]: all sequences one behind the other, whose tokens lengths says; without lengths it is one sequence, or, of [sequences, tokens], as many of one length. A causal network goes on where sequence i has ended.
        """

    def reset(self, sequence: int | None = None) -> None:
        """Forgets what one sequence, or each, has said."""

    def context(self, sequence: int) -> int:
        """Tokens that a sequence has said since."""

    @property
    def inputs(self) -> list[SessionInput]: ...

    @property
    def outputs(self) -> list[SessionOutput]: ...

    @property
    def nbytes(self) -> int:
        """Memory of the session, all of it taken when it was made."""

class Model:
    """
    A file of octile quantize, mapped: its linears and tensors, and the network that it holds.
    """

    def __init__(self, path: object, *, max_rows: int = 512, max_sequences: int = 8, max_context: int = 512, isa: object | None = None) -> None:
        """
        max_rows: tokens of one call, of all sequences together; max_sequences of one call; max_context: tokens of a sequence in a causal network. isa: the highest instruction-set level to use.
        """

    def run(self, inputs: object | None, lengths: Sequence[int] | None = None) -> dict:
        """Session.run() of the model's own session."""

    def reset(self, sequence: int | None = None) -> None:
        """Session.reset() of the model's own session."""

    def session(self, *, max_rows: int | None = None, max_sequences: int | None = None, max_context: int | None = None) -> Session:
        """
        Another session on the same weights; sizes are the model's unless given.
        """

    @property
    def inputs(self) -> list[SessionInput]: ...

    @property
    def outputs(self) -> list[SessionOutput]: ...

    def linear(self, name: str) -> Linear:
        """The packed linear of a layer of the plan. KeyError."""

    @property
    def linears(self) -> list[str]:
        """Names of the linears."""

    def tensor(self, name: str) -> object:
        """
        A tensor that is no linear's, read-only, where it lies in the file. KeyError.
        """

    @property
    def tensors(self) -> list[str]: ...

    @property
    def plan(self) -> Plan: ...

    @property
    def graph(self) -> dict[str, Any] | None:
        """The network's graph; None where the file holds layers without one."""

    @property
    def notes(self) -> list[str]:
        """What opening it had to say."""

    @property
    def file_bytes(self) -> int: ...

    @property
    def used_bytes(self) -> int:
        """Bytes of the file that this CPU uses."""

    def __repr__(self) -> str: ...
