"""Compares a plan with what a network was seen to run. Pure: no torch, no files.

A plan says of a linear: its sizes, whether there is a bias, the activation behind it, what it multiplies (`gate`), and whose panel it reads
(`panel`, `panel_from`). What it says and what is not so is a fault. What it could have said and does not is no fault: it is counted as unsaid.
"""

import collections
import dataclasses
import re

from plan_check.truth import Linear, Truth


@dataclasses.dataclass
class Part:
    """What a plan's row stands for where torch joined or cut tensors when it loaded them: the rows of one linear's weight, or linears side by side."""

    linear: str
    n: int
    others: list[str] = dataclasses.field(default_factory=list)  # behind `linear`, in the rows of one tensor
    piece: str = ""  # which rows, where they are fewer than the linear has: "0/2", the first of two equal runs


@dataclasses.dataclass
class Row:
    name: str
    planned: dict | None  # the plan's row; None: it has none
    run: Linear | None  # None: torch does not run it
    faults: list[str] = dataclasses.field(default_factory=list)
    unsaid: list[str] = dataclasses.field(default_factory=list)
    left_out: str = ""  # why the plan says that it leaves this out
    act: str = "none"  # what is run behind it


def _pattern(name: str) -> re.Pattern:
    """What a plan's name stands for: `*` is the number of a block, and a prefix may be missing."""
    return re.compile(r"(?:.*\.)?" + r"\d+".join(map(re.escape, name.split("*"))))


class Names:
    """Which of the names seen in the run a name in the plan means."""

    def __init__(self, names: list[str], aliases: dict[str, str] | None = None):
        self.names, self.aliases = names, aliases or {}
        self.ends = collections.defaultdict(list)
        for name in names:
            pieces = name.split(".")
            for i in range(len(pieces)):
                self.ends[".".join(pieces[i:])].append(name)

    def find(self, planned: str) -> list[str]:
        # Of a stack of experts' matrices each is a row of its own.
        stem, _, number = planned.rpartition(".")
        return self._find(planned) or (self._find(stem) if number.isdigit() else [])

    def _find(self, planned: str) -> list[str]:
        if planned in self.names:
            return [planned]
        if self.aliases.get(planned) in self.names:
            return [self.aliases[planned]]
        if "*" in planned:
            return [name for name in self.names if _pattern(planned).fullmatch(name)]
        if len(self.ends.get(planned, [])) == 1:
            return self.ends[planned]
        pieces = planned.split(".")
        for i in range(1, len(pieces)):
            end = ".".join(pieces[i:])
            if end in self.names:
                return [end]
            if len(self.ends.get(end, [])) == 1 and i < len(pieces) - 1:
                return self.ends[end]
        return []


def _norms(linear: Linear) -> set:
    return {read.norm for read in linear.reads}


def _values(linear: Linear) -> list[str]:
    return [read.value for read in linear.reads]


class Comparison:
    def __init__(self, truth: Truth, plan: dict, parts: dict[str, Part] | None = None, aliases: dict[str, str] | None = None,
                 left_out: dict[str, str] | None = None):
        """`parts`: the plan's names of tensors that were found by their content, where names differ. `aliases`: other names of
        what was seen. `left_out`: the plan's own list of what it did not take, with the reasons."""
        self.truth, self.parts = truth, parts or {}
        self.runner = truth.source.split()[0]
        self.names = Names([linear.name for linear in truth.linears], {**{k: v.linear for k, v in self.parts.items()}, **(aliases or {})})
        self.norms = Names(truth.norms, aliases)
        self.bound: dict[str, str | None] = {}  # norms that the plan calls by a name that nobody knows -> what they are
        self.linears = {linear.name: linear for linear in truth.linears}
        self.planned = {layer["name"]: layer for layer in plan["layers"]}
        self.rows = []
        # A module that runs several times has a row for each of its runs, and each reads its own of what the module has read.
        rows = collections.Counter(name for layer in plan["layers"] if layer["op"] == "linear" for name in self.names.find(layer["name"]))
        self.again = {name for name, count in rows.items() if count > 1}
        met = set()
        for layer in plan["layers"]:
            if layer["op"] != "linear":
                continue
            found = self.names.find(layer["name"])
            part = self.parts.get(layer["name"])
            met.update([*found, *(part.others if part else [])])
            self.rows.append(self._row(layer, found))
        for linear in truth.linears:
            if linear.name not in met:
                row = Row(linear.name, None, linear, act=linear.act)
                row.left_out = next((why for name, why in (left_out or {}).items()
                                     if self.names.find(re.sub(r"[._]weight$", "", name)) == [linear.name]), "")
                if not row.left_out:
                    row.faults.append("not in the plan")
                self.rows.append(row)

    def _row(self, layer: dict, found: list[str]) -> Row:
        if not found:
            return Row(layer["name"], layer, None, [f"{self.runner} does not run it"])
        run = self.linears[found[0]]
        part = self.parts.get(layer["name"])
        row = Row(layer["name"], layer, run, act=run.acts.get(part.piece, "none") if part and part.piece else run.act)
        for name in found:
            linear = self.linears[name]
            n = part.n if part and part.linear == name else linear.n
            for field, is_so in (("k", linear.k), ("n", n), ("bias", linear.bias)):
                if layer[field] != is_so:
                    row.faults.append(f"{field}: {layer[field]}, {self.runner} {is_so}")
            if part and part.linear == name and part.piece:
                self._check_piece(row, layer, linear, part)
            elif not (part and part.linear == name and part.others):
                self._check_activation(row, layer, linear, linear.act, linear.gates)
            self._check_panel(row, layer, linear)
        if len(found) > 1 and len(found) != layer["count"]:
            row.faults.append(f"count: {layer['count']}, {self.runner} {len(found)}")
        row.faults = list(dict.fromkeys(row.faults))
        row.unsaid = list(dict.fromkeys(row.unsaid))
        return row

    def _check_activation(self, row: Row, layer: dict, linear: Linear, act: str, gates: str):
        # Of an activation told by its values there may be several that yield them.
        is_so = [name for name in act.split("|") if not name.startswith("*")] or ["none"]
        if layer["act"] == "none" and is_so != ["none"]:
            row.unsaid.append(f"act {'|'.join(is_so)}")
        elif layer["act"] not in is_so:
            row.faults.append(f"act: {layer['act']}, {self.runner} {act}")
        if gate := layer.get("gate"):
            if gates not in self.names.find(gate) and gates != self._piece(gate, linear):
                row.faults.append(f"times {gate}, {self.runner} {'times ' + gates if gates else 'not'}")
        elif gates:
            row.unsaid.append("gate")

    def _piece(self, planned: str, linear: Linear) -> str | None:
        """Which run of this linear's columns a row of the plan is; None: it is none."""
        part = self.parts.get(planned)
        return part.piece if part and part.linear == linear.name and part.piece else None

    def _check_piece(self, row: Row, layer: dict, linear: Linear, part: Part):
        self._check_activation(row, layer, linear, linear.acts.get(part.piece, "none"), linear.gated.get(part.piece, ""))

    def _check_panel(self, row: Row, layer: dict, linear: Linear):
        source = layer.get("panel_from") or ""
        if layer["panel"] == "norm":
            norms = self.norms.find(source) or [self.bound.setdefault(source, linear.reads[0].norm)]
            norms = [norm for norm in norms if norm is not None]
            if not (_norms(linear) & set(norms) if linear.name in self.again else _norms(linear) <= set(norms)):
                reads = ", ".join(sorted(norm for norm in _norms(linear) if norm) + ["no norm"] * (None in _norms(linear)))
                row.faults.append(f"reads {source}, {self.runner} {reads}")
        elif layer["panel"] == "shared":
            others = [self.linears[name] for name in self.names.find(source)]
            if not any(set(_values(linear)) & set(_values(other)) for other in others):
                row.faults.append(f"shares its input with {source}, {self.runner} not")
        elif layer["panel"] == "own" and _norms(linear) != {None}:
            row.unsaid.append("norm")

    # What people read.

    def faults(self) -> int:
        return sum(1 for row in self.rows if row.faults)

    def table(self) -> list[list[str]]:
        lines = [["linear", "M", "K", "N", "bias", "act", "reads", "verdict"]]
        for row in self.rows:
            layer, run = row.planned, row.run
            if run is None:
                sizes = [str(layer["m"]), str(layer["k"]), str(layer["n"]), "yes" if layer["bias"] else "no", layer["act"], "-"]
            else:
                reads = [read.norm or "" for read in run.reads]
                many = len(set(reads)) > 1
                text = "several" if many else (("rows of " if run.reads[0].rows else "") + reads[0] if reads[0] else "its own")
                m = str(run.m) if layer is None or layer["m"] == run.m else f"{run.m} (plan {layer['m']})"
                sizes = [m, str(run.k), str(run.n), "yes" if run.bias else "no", row.act.lstrip("*"), text]
            verdict = "; ".join(row.faults) or (f"left out: {row.left_out}" if row.left_out else "right")
            if row.unsaid and not row.faults:
                verdict += f", unsaid: {', '.join(row.unsaid)}"
            assumed = (layer or {}).get("assumed", [])
            if assumed and not row.faults:
                verdict += f" (assumed: {', '.join(assumed)})"
            lines.append([row.name, *sizes, verdict])
        return lines

    def summary(self) -> str:
        planned = [row for row in self.rows if row.planned]
        right = sum(1 for row in planned if not row.faults)
        missing = sum(1 for row in self.rows if not row.planned and not row.left_out)
        told = sum(1 for row in self.rows if not row.planned and row.left_out)
        unsaid = sum(len(row.unsaid) for row in self.rows)
        text = f"{len(self.truth.linears)} linears run, {len(planned)} planned: {right} right, {len(planned) - right} wrong, " \
               f"{missing} missing without a word"
        others = sum(1 for row in planned if row.run and row.planned["m"] != row.run.m)
        if others:
            text += f"; M is another in {others}"
        if told:
            text += f", {told} left out and said"
        if unsaid:
            text += f"; unsaid in {unsaid} places"
        return text


def aligned(lines: list[list[str]]) -> str:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    numbers = {1, 2, 3}
    return "\n".join("  ".join(cell.rjust(width) if i in numbers else cell.ljust(width)
                               for i, (cell, width) in enumerate(zip(line, widths))).rstrip() for line in lines)
