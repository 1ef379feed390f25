"""What a network runs, as observed: a value that says nothing about where it came from.

Three sources make it: torch_trace.py (torch), onnx_trace.py (onnxruntime), a file (truth.json). compare.py reads it.
"""

import dataclasses
import json
import pathlib


@dataclasses.dataclass
class Read:
    """What one call of a linear read."""

    value: str  # linears whose values are equal read the same rows
    norm: str | None = None  # the norm that made it; None: something else did
    rows: bool = False  # some of the value's rows, or in another order


@dataclasses.dataclass
class Linear:
    name: str  # the module's, or that of its weight where the module holds several
    m: int  # rows of one call, the most there are
    k: int
    n: int
    bias: bool
    act: str = "none"  # applied to all of its output, which nothing else reads
    gates: str = ""  # the linear whose output, behind this one's activation, is multiplied by this one's
    reads: list[Read] = dataclasses.field(default_factory=list)  # one per call
    weight: str = ""  # the parameter
    kind: str = "linear"  # "linear", "conv", "experts"
    experts: int = 1  # of a stack of experts' weights: how many were called
    # Of an output in equal runs of columns, "0/2" and "1/2" say: the activation of a run, and whose activation, of the same
    # output, a run is multiplied by.
    acts: dict[str, str] = dataclasses.field(default_factory=dict)
    gated: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Truth:
    source: str  # "torch 2.15.0, transformers 5.24.0"
    network: str  # "BertForMaskedLM"
    tokens: int
    linears: list[Linear]
    norms: list[str]

    def save(self, path: pathlib.Path):
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1) + "\n")


def load(path: pathlib.Path) -> Truth:
    raw = json.loads(path.read_text())
    raw["linears"] = [Linear(**{**linear, "reads": [Read(**read) for read in linear["reads"]]}) for linear in raw["linears"]]
    return Truth(**raw)
