"""quantize_and_replace_linears(): what is replaced, by what, and why the rest is not."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Iterable, Mapping

import torch
from torch import nn

import octile

from ._export import Example, export_layers
from ._modules import FusedLayerNorm, FusedLinear, FusedLinearAct, SharedRows

_FLOATS = (torch.float32, torch.float16, torch.bfloat16)
_MAX_REDUCTION = 131072  # of INT8: docs/quantization.md

# Reasons of a plan (docs/planner.md), as they are counted.
_REASONS = {"RATIO_LT_MIN": "ratio", "SKIPPED": "skipped", "NO_KERNEL": "shape", "FORCED": "forced"}


@dataclasses.dataclass
class Report:
    """What became of every linear: its reason by name, the plan that decided, and what was fused."""

    reasons: dict[str, str]
    plan: octile.Plan | None
    fused_activations: int = 0
    fused_norms: int = 0
    shared_inputs: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Linears by reason: replaced; ratio, cost, skipped, shape, tied and the like for those that were left."""
        counts = {"replaced": 0}
        for reason in self.reasons.values():
            counts[reason] = counts.get(reason, 0) + 1
        return counts

    def __getitem__(self, reason: str) -> int:
        return self.counts.get(reason, 0)

    def __str__(self) -> str:
        counts = ", ".join(f"{reason} {count}" for reason, count in self.counts.items())
        return (f"{len(self.reasons)} linears: {counts}; fused: {self.fused_activations} activations, {self.fused_norms} norms; "
                f"{self.shared_inputs} read rows that another has quantized")


def _users_of_parameters(model: nn.Module) -> dict[int, list[tuple[nn.Module, str]]]:
    users: dict[int, list[tuple[nn.Module, str]]] = {}
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            users.setdefault(id(parameter), []).append((module, name))
    return users


def _is_free(module: nn.Linear, users: dict[int, list[tuple[nn.Module, str]]]) -> bool:
    """Whether nobody else holds its weight, but linears that are the same in everything."""
    for other, name in users[id(module.weight)]:
        if other is not module and not (type(other) is nn.Linear and name == "weight" and other.bias is module.bias):
            return False
    return True


def _has_hooks(module: nn.Module) -> bool:
    return any(getattr(module, name, None) for name in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks"))


def _obstacle(name: str, module: nn.Module, users: dict[int, list[tuple[nn.Module, str]]]) -> str | None:
    """Why a linear cannot be replaced, whatever the plan says."""
    if type(module) is not nn.Linear:
        return "subclass"
    if not name:
        return "root"
    if _has_hooks(module):
        return "hooks"
    if module.weight.device.type != "cpu" or module.weight.dtype not in _FLOATS:
        return "type"
    n, k = module.weight.shape
    if n < 1 or not 1 <= k <= _MAX_REDUCTION:
        return "shape"
    return None if _is_free(module, users) else "tied"


def _forces(force: Mapping[str, str] | Iterable[str]) -> list[str]:
    return [f"{pattern}={precision}" for pattern, precision in force.items()] if isinstance(force, Mapping) else list(force)


def _plan(rows: list[dict[str, Any]], linears: dict[str, nn.Linear], skip: str | Iterable[str], policy: str, precision: str | None,
          options: dict[str, Any]) -> octile.Plan:
    patterns = [skip] if isinstance(skip, str) else list(skip)
    forces = _forces(options.pop("force", ()))
    if precision is not None:
        forces.insert(0, f".*={precision}")
    # Linears that stay as they are are read as what they are: floating point.
    forces += [f"^{re.escape(row['name'])}$=fp16" for row in rows if row.get("op", "linear") == "linear" and row["name"].split("#")[0] not in linears]
    skipped = "|".join(f"({one})" for one in patterns)
    return octile.plan(rows, policy=policy, skip=skipped or None, force=forces, **options)


def _root_of(row: dict[str, Any], by_name: dict[str, dict[str, Any]]) -> str:
    """Who quantizes its input: a norm, a linear, or itself."""
    while row["panel"] == "shared" and row["panel_from"] in by_name:
        row = by_name[row["panel_from"]]
    return row["panel_from"] if row["panel"] == "norm" else row["name"]


def _paths(model: nn.Module) -> dict[int, list[str]]:
    """Every name of every module: one may be at several places."""
    paths: dict[int, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        paths.setdefault(id(module), []).append(name)
    return paths


def _set(model: nn.Module, names: list[str], module: nn.Module) -> None:
    for name in names:
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, module)


def _without_fast_paths(model: nn.Module) -> None:
    """torch's encoder layers hand their linears' weights to one function in evaluation, past the modules; that is for float weights only."""
    for module in model.modules():
        if isinstance(module, nn.TransformerEncoderLayer) and not (type(module.linear1) is type(module.linear2) is nn.Linear):
            module.activation_relu_or_gelu = 0
        if isinstance(module, nn.TransformerEncoder):
            module.use_nested_tensor = False


class _Replacer:
    def __init__(self, model: nn.Module, plan: octile.Plan, linears: dict[str, nn.Linear], exact: bool, report: Report) -> None:
        self.model, self.linears, self.exact, self.report = model, linears, exact, report
        self.by_name = {row["name"]: row for row in plan.rows}
        self.modules, self.paths = dict(model.named_modules()), _paths(model)
        self.packed: dict[tuple[int, str, int], octile.Linear] = {}  # by weight, activation and bias
        self.new: dict[str, FusedLinear] = {}

    def called_once(self, name: str) -> bool:
        return f"{name}#2" not in self.by_name

    def activation_of(self, row: dict[str, Any]) -> str | None:
        """The module of the activation that the plan has fused into a linear, if it is one by itself."""
        if not self.exact or row["act"] == "none" or not self.called_once(row["name"]):
            return None
        for name in row["replaces"][1:]:
            module = self.modules.get(name)
            if module is not None and self.called_once(name) and len(self.paths[id(module)]) == 1 and next(module.children(), None) is None:
                return name
        return None

    def replace(self, name: str, shared: SharedRows | None) -> None:
        row, module = self.by_name[name], self.linears[name]
        activation = self.activation_of(row)
        act = row["act"] if activation else "none"
        key = (id(module.weight), act, id(module.bias))
        if key not in self.packed:
            try:
                self.packed[key] = octile.Linear(module.weight, module.bias, precision=row["precision"], activation=act)
            except octile.NonFiniteError as error:
                raise octile.NonFiniteError(f"{name}: {error}") from None
        kind = FusedLinearAct if activation else FusedLinear
        self.new[name] = kind(self.packed[key], shared)
        self.new[name].training = module.training
        _set(self.model, self.paths[id(module)], self.new[name])
        if activation:
            _set(self.model, [activation], nn.Identity())
            self.report.fused_activations += 1

    def groups(self, names: list[str]) -> dict[str, list[str]]:
        groups: dict[str, list[str]] = {}
        for name in names:
            row = self.by_name[name]
            root = _root_of(row, self.by_name) if row["quantize_input"] and self.called_once(name) else name
            groups.setdefault(root, []).append(name)
        return groups

    def norm_of(self, root: str) -> nn.LayerNorm | None:
        module = self.modules.get(root) if self.exact else None
        if type(module) is not nn.LayerNorm or not self.called_once(root) or _has_hooks(module) or module.weight is None:
            return None
        return module if len(module.normalized_shape) == 1 and module.weight.dtype == torch.float32 else None

    def run(self, names: list[str]) -> None:
        for root, members in self.groups(names).items():
            norm = self.norm_of(root)
            shared = SharedRows() if norm is not None or len(members) > 1 else None
            for name in members:
                self.replace(name, shared)
            self.report.shared_inputs += len(members) - 1
            if norm is not None and shared is not None:
                new = FusedLayerNorm(norm, self.new[members[0]].linear, shared)
                new.training = norm.training
                _set(self.model, self.paths[id(norm)], new)
                self.report.fused_norms += 1


def quantize_and_replace_linears(
    model: nn.Module,
    skip: str | Iterable[str] = (),
    policy: str = "ratio",
    precision: str | None = None,
    *,
    example: Example | None = None,
    tokens: int = 1,
    **options: Any,
) -> Report:
    """Replaces nn.Linear by FusedLinear wherever the plan makes it INT8, in place; says how many, and why not the others.

    skip: patterns of names that are left. policy: as of octile.plan(), with its other keywords (core, min_ratio, noise, force) behind; what the plan
    leaves in floating point stays the nn.Linear that it is. precision: int8, fp16 or int4, for every linear that is not skipped. example: what the model
    is called with. With it, torch.export shows what reads what, and activations (FusedLinearAct) and layer norms (FusedLayerNorm) that are modules are
    fused where it shows nothing else to read them; without it, only the linears are replaced. tokens: M of a plan without example, which policy cost
    weighs.

    Left, whatever the plan says: weights that something else than an equal linear holds (tied), subclasses of nn.Linear, linears with hooks, of another
    device or type. NonFiniteError for weights with NaN or infinity: nothing is replaced then.
    """
    users = _users_of_parameters(model)
    reasons: dict[str, str] = {}
    linears: dict[str, nn.Linear] = {}
    for name, module in model.named_modules():
        if not isinstance(module, nn.Linear):
            continue
        obstacle = _obstacle(name, module, users)
        if obstacle is None:
            linears[name] = module
            if not (torch.isfinite(module.weight).all() and (module.bias is None or torch.isfinite(module.bias).all())):
                raise octile.NonFiniteError(f"{name}: expected finite weights and bias, found NaN or infinity")
        reasons[name] = obstacle or "unused"
    report = Report(reasons, None)
    if not linears:
        return report
    rows = export_layers(model, example) if example is not None else [
        {"name": name, "m": tokens, "k": module.in_features, "n": module.out_features, "bias": module.bias is not None} for name, module in linears.items()]
    report.plan = _plan(rows, linears, skip, policy, precision, options)
    chosen = []
    for row in report.plan.rows:
        if row["name"] not in linears:
            continue
        replaced = row["precision"] != "fp16" or precision == "fp16" and row["reason"] == "FORCED"
        reasons[row["name"]] = "replaced" if replaced else _REASONS.get(row["reason"], "cost")
        if replaced:
            chosen.append(row["name"])
    _Replacer(model, report.plan, linears, example is not None, report).run(chosen)
    _without_fast_paths(model)
    return report
