#!/usr/bin/env python3
"""Writes one octile_add_kernel() line for every kernel of an architecture: the one place where a schedule becomes rows of the table.

usage: variants.py --output FILE --tiles FILE [--names FILE] --schedule default.json [--schedule CORE.json] [--core CORE.json]... [--optional-core CORE.json]...
                   --base LEVEL LEVEL...

The schedules of one archive are several sets: that of the --schedule files, and that of each --core laid over the first of them. A row of the table says
which sets it is for; what several share is there once. All read the same panels, so that what is packed for one is for all: another core's panels are an
error, and leave an --optional-core out. --names gets the sets' names, in the order of their bits. --tiles gets a row of planner/level_tiles.h for every GEMM of every level in the schedules, those of other architectures too. The base level's elementwise kernels are there whatever the levels: every GEMM needs an epilogue.

A schedule file holds, under "levels", an entry per ISA level; a later file replaces a level's "int8", "fp16", "elementwise" or "epilogue" entry
of an earlier one as a whole. schedules/format/bounds.json holds the bounds. Fields:

  int8, fp16     panel        element type of the activations' panel (the weights' is s8 or f16)
                 panel_m      rows of a panel of activations
                 panel_n      columns of a panel of weights
                 tiles        the tile heights m, from 1 to panel_m, that read such panels; each with
                                panels    adjacent column panels that it spans (1)
                                k_split   independent accumulators per output, for tiles too small to hide the latency of one (1)
                                unroll    steps of the reduction loop put into one (1)
                                prefetch  steps that the weights are fetched ahead; 0: by the hardware (0; int8)
                 row          the tile of a single row, which has a panel of its own; fields as above
                 order        which panels a GEMM takes in turn for each of the others: "columns", every panel of weights meets all rows of a block
                              before the next one comes, or "rows" ("columns")
                 block_rows   rows of activations that stay in the cache while the weights pass; 0: from the size of the cache (0)
                 block_columns  columns of weights that stay in the cache while the blocks of rows pass; 0: all (0)
                 task_rows    rows of a thread's piece of work, which is cut by columns too; 0: all (0)
                 large        tiles, row and the four fields above where they differ for weights beyond half of the second-level cache (none)
  int8           form         the generator: "gemm_s8", by dot products, or "gemm_s8_pairs", for cores without ("gemm_s8")
                 k_block      consecutive elements of K side by side in a panel
                 cell         [rows, columns] of one accumulator register, or of each of its segments of 128 bits
                 segments     such cells side by side in a register (1)
                 packed_by    the level whose kernels write these panels; none: this one
  fp16           lanes        outputs of one accumulator register
  elementwise    lanes        elements of a vector of f32
  epilogue                    for a level that has no other elementwise kernels
                 lanes        {output type: elements of a vector}; types that are not here are left to a lower level
  attention      lanes        elements of a vector of f32
                 rows         numbers of queries that there is a kernel for, 1 among them
                 key_vectors  vectors of keys whose scores are computed at once; they divide a block of 32 keys
                 head_vectors vectors of a head's features that are mixed at once, where they divide it; 16 features otherwise (1)
"""

import argparse
import dataclasses
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "schedules/format"))
import schedule_files  # noqa: E402

FLOAT_TYPES = ("f32", "f16", "bf16")
HALIDE_TYPES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16", "s8": "int8", "i8": "int8", "u8": "uint8", "s16": "int16"}
ELEMENT_BYTES = {"s8": 1, "u8": 1, "s16": 2, "f16": 2, "f32": 4}
# In the order of octile::KernelInfo (planner/kernel_info.h), as C++ wants its initialisers.
ROW_FIELDS = ("family", "isa", "panel", "input", "output", "scaling", "combine", "tile_m", "panel_m", "tile_n", "panel_n", "k_block", "weights", "block_rows", "block_columns", "task_rows", "schedules")
TILE_DEFAULTS = {"panels": 1, "k_split": 1, "unroll": 1, "prefetch": 0}
PANEL_FIELDS = ("form", "panel", "k_block", "cell", "segments", "packed_by", "lanes", "panel_m", "panel_n")
MOST_SETS = 32  # bits of octile::KernelInfo::schedules
BLOCKING = ("block_rows", "block_columns", "task_rows")


def fail(message: str) -> None:
    sys.exit(f"variants: {message}")


def enumerator(enum: str, name: str) -> str:
    return f"{enum}::k{name.upper() if enum in ('DataType', 'Element') else name[0].upper() + name[1:]}"


def identifier(core: str) -> str:
    """A core's name as part of that of a kernel, which is a C symbol."""
    return re.sub(r"\W", "_", core, flags=re.ASCII)


def argument(text: str) -> str:
    """A quoted argument of CMake that is this text. What no quotes keep together, once it is in a list or a template, is no argument."""
    if re.search(r"[^ -~]|[;@]", text):
        fail(f"expected text without ';', '@' and control characters, found {schedule_files.found(text)}")
    return '"' + re.sub(r'([\\"$])', r"\\\1", text) + '"'


@dataclasses.dataclass
class Entry:
    """A kernel to be, without its level's name, and the row of it."""

    name: str
    isa: str
    family: str
    row: dict
    params: dict
    unroll: int
    mmla: bool
    strict: bool
    same_as: str | None  # the kernel whose code serves this row too
    sets: int | None = None  # bits of those that it is for; None: all

    def code(self) -> tuple:
        """All that makes the object."""
        return self.isa, self.family, tuple(sorted(self.params.items())), self.unroll, self.mmla, self.strict

    def text(self) -> str:
        row = self.row if self.sets is None else {**self.row, "schedules": f"{self.sets:#x}u"}
        fields = [f"{field}={row[field]}" for field in sorted(row, key=ROW_FIELDS.index)]
        given = [f"{field}={str(value).lower() if isinstance(value, bool) else value}" for field, value in self.params.items()]
        parts = [f"octile_add_kernel({argument(f'{self.name}_{self.isa}')} FAMILY {argument(self.family)} ISA {argument(self.isa)}"]
        if self.same_as:
            parts[0] += f" SAME_AS {argument(f'{self.same_as}_{self.isa}')}"
        if self.strict:
            parts.append("FEATURES strict_float")
        if self.unroll > 1:
            parts.append(f"UNROLL {argument(str(self.unroll))}")
        if self.mmla:
            parts.append("MMLA")
        parts.append("ROW " + " ".join(map(argument, fields)))
        if given:
            parts.append("PARAMS " + " ".join(map(argument, given)))
        return "\n    ".join(parts) + ")"


class Writer:
    def __init__(self, isa: str):
        self.isa = isa
        self.entries: list[Entry] = []

    def add(self, name: str, family: str, row: dict, params: dict, unroll: int = 1, mmla: bool = False, strict: bool = True,
            same_as: str | None = None) -> None:
        """`same_as`: the kernel whose code serves this row too."""
        self.entries.append(Entry(name, self.isa, family, {"isa": enumerator("Isa", self.isa), **row}, params, unroll, mmla, strict, same_as))


def merged(sets: dict[str, list[Entry]]) -> list[Entry]:
    """The entries of all sets, by name: each row once, and each code once."""
    rows: dict[tuple, Entry] = {}
    codes: dict[tuple, str] = {}
    for bit, (core, entries) in enumerate(sets.items()):
        for entry in entries:
            key = (*entry.code(), tuple(sorted(entry.row.items())))
            if key not in rows:
                name = entry.name if bit == 0 else f"{entry.name}_{identifier(core)}"
                first = codes.setdefault(entry.code(), name)
                rows[key] = dataclasses.replace(entry, name=name, sets=0, same_as=None if first == name else first)
            rows[key].sets |= 1 << bit
    everywhere = (1 << len(sets)) - 1
    return [dataclasses.replace(entry, sets=None) if entry.sets == everywhere else entry for entry in rows.values()]


def tiles_of(entry: dict, row_panel: int) -> list[dict]:
    """Every tile with its panel height: those of the wide panels, then that of the single row."""
    tiles = [{**TILE_DEFAULTS, **tile, "panel_m": entry["panel_m"]} for tile in entry["tiles"]]
    return tiles + [{**TILE_DEFAULTS, **entry["row"], "m": 1, "panel_m": row_panel}]


def single_tile(tile: dict) -> bool:
    """Only whole panels come in numbers; what is left over, and a single row, is one tile."""
    return tile["m"] < tile["panel_m"] or tile["m"] == 1


def order_of(fields: dict, tile: dict) -> str:
    """One tile of rows meets the panels of weights one after the other, whatever the order."""
    return "columns" if single_tile(tile) else fields.get("order", "columns")


def size_classes(entry: dict) -> list[tuple[str, str, dict]]:
    """(suffix of names, octile::WeightSize, fields) for weights of any size and, where the schedule tells them apart, for large ones."""
    classes = [("", "kAny", entry)]
    if "large" in entry:
        classes.append(("_large", "kLarge", {**entry, **entry["large"]}))
    return classes


def gemm_tiles(entry: dict, row_panel: int):
    """Every tile of every size of weights, as (suffix of its name, its place in the table, tile, fields, suffix of a tile with the same code)."""
    built: dict = {}
    for suffix, size, fields in size_classes(entry):
        place = {"weights": f"WeightSize::{size}", **{field: fields.get(field, 0) for field in BLOCKING}}
        for tile in tiles_of(fields, row_panel):
            code = (order_of(fields, tile), *sorted(tile.items()))
            twin = built.setdefault(code, suffix)
            yield suffix, place, tile, fields, None if twin == suffix else twin


def other_panels(first: dict, other: dict, built: list[str]) -> str | None:
    """Why a set of schedules cannot be in an archive beside the first: it has other panels, or differs in more than GEMMs."""
    for isa in built:
        for kind, entry in first.get(isa, {}).items():
            fields = [field for field in {**entry, **other[isa][kind]} if entry.get(field) != other[isa][kind].get(field)]
            fixed = [field for field in fields if kind not in schedule_files.GEMMS or field in PANEL_FIELDS]
            if fixed:
                return (f"levels.{isa}.{kind}.{fixed[0]} is {other[isa][kind].get(fixed[0])}; expected {entry.get(fixed[0])}, as in the archive's first "
                        "schedule, whose panels all of them read")
    return None


def widest_tile(entry: dict) -> int:
    """Adjacent panels of the widest tile, of weights of any size."""
    return max(tile.get("panels", 1) for fields in schedule_files.size_classes(entry) for tile in [*fields["tiles"], fields["row"]])


def check_widths(sets: dict[str, dict], built: list[str]) -> None:
    """Weights are padded to whole tiles of every set."""
    for isa in built:
        for kind in schedule_files.GEMMS:
            panels = {core: widest_tile(levels[isa][kind]) for core, levels in sets.items() if kind in levels.get(isa, {})}
            for core, widest in panels.items():
                if max(panels.values()) % widest:
                    fail(f"{core}: levels.{isa}.{kind}: its widest tile spans {widest} panels; expected a divisor of {max(panels.values())}, another set's")


def packing_fault(isa: str, levels: dict, built: list[str]) -> str | None:
    """Panels that another level writes have to be the ones that this level reads."""
    entry = levels[isa].get("int8", {})
    packer = entry.get("packed_by")
    if packer is None:
        return None
    if packer not in built:
        return f"{isa}.int8: its panels are packed by level {packer}, which is not built"
    for field in ("panel", "k_block", "cell", "panel_m", "panel_n"):
        if entry[field] != levels[packer]["int8"][field]:
            return f"{isa}.int8: {field} is {entry[field]}; expected {levels[packer]['int8'][field]}, that of {packer}, which packs its panels"
    return None


def dot_form(entry: dict, tile: dict) -> dict:
    cell_m, cell_n = entry["cell"]
    return {"cell_m": cell_m, "cell_n": cell_n, "segments": entry.get("segments", 1), "k_split": tile["k_split"], "prefetch": tile["prefetch"]}


def pairs_form(entry: dict, tile: dict) -> dict:
    if tile["k_split"] != 1 or entry["cell"] != [1, 1] or entry["k_block"] != 16:
        fail(f"int8.form: expected cells of [1, 1], a k_block of 16 and no k_split for gemm_s8_pairs, found {entry['cell']}, {entry['k_block']} "
             f"and {tile['k_split']}")
    return {}


# The generators of int8 GEMMs: parameters of their own, and, for each kind of rows that needs kernels of its own, what is said to make them.
FORMS = {
    "gemm_s8": (dot_form, {"dynamic": {}, "asymmetric": {"asymmetric": True}}),
    # Rows that are not quantized symmetrically may hold -128.
    "gemm_s8_pairs": (pairs_form, {"dynamic": {}, "asymmetric": {"asymmetric": True, "wide": True}, "ready": {"wide": True}}),
}


def add_int8(out: Writer, entry: dict) -> None:
    form = entry.get("form", "gemm_s8")
    form_params, kinds_of_rows = FORMS[form]
    panel, k_block, (cell_m, cell_n), panel_n = entry["panel"], entry["k_block"], entry["cell"], entry["panel_n"]
    element = {"panel": enumerator("Element", panel), "k_block": k_block}
    for suffix, place, tile, fields, twin in gemm_tiles(entry, cell_m):
        tile_n = panel_n * tile["panels"]
        shape = f"{tile['m']}x{tile_n}x{k_block}" + ("_row" if tile["panel_m"] == cell_m else "")
        for scaling, params in kinds_of_rows.items():
            name = f"gemm_s8{'' if scaling == 'dynamic' else '_' + scaling}_{shape}"
            out.add(name + suffix, form,
                    {"family": "KernelFamily::kGemmS8", **element, **place, "tile_m": tile["m"], "panel_m": tile["panel_m"], "tile_n": tile_n,
                     "panel_n": panel_n, "scaling": enumerator("Scaling", scaling)},
                    {"tile_m": tile["m"], "panel_m": tile["panel_m"], "panel_n": panel_n, "panels": tile["panels"], "k_block": k_block,
                     **form_params(entry, tile), "single_tile": single_tile(tile), "lhs_type": HALIDE_TYPES[panel],
                     "order": order_of(fields, tile), "asymmetric": False, **params},
                    unroll=tile["unroll"], mmla=cell_m == 2, same_as=None if twin is None else name + twin)
    if "packed_by" in entry:
        return
    for panel_m, single_row in ((entry["panel_m"], False), (cell_m, True)):
        for scaling in ("dynamic", "static", "asymmetric"):
            for x in FLOAT_TYPES:
                add_quantize(out, f"quantize_rows_{scaling}", "kQuantizeRows", x, scaling, panel, panel_m, k_block, element, False, single_row)
        add_quantize(out, "pack_rows", "kQuantizeRows", "i8", "ready", panel, panel_m, k_block, element, False, single_row)
    rhs = {"panel": "Element::kS8", "k_block": k_block}
    for x in FLOAT_TYPES:
        add_quantize(out, "quantize_weights", "kQuantizeWeights", x, "dynamic", "s8", panel_n, k_block, rhs, True)
    add_quantize(out, "pack_weights", "kQuantizeWeights", "i8", "ready", "s8", panel_n, k_block, rhs, True)
    # Two levels to each of a register's 16-bit lanes, of which it has two for an accumulator; a cell may be less than a register.
    lanes = max(8, 2 * cell_m * cell_n)
    out.add(f"unpack_s4_{panel_n}x{k_block}", "unpack_s4", {"family": "KernelFamily::kUnpackS4", **rhs, "panel_n": panel_n},
            {"panel_n": panel_n, "k_block": k_block, "lanes": lanes})


def add_quantize(out: Writer, name: str, family: str, x: str, scaling: str, panel: str, tile: int, k_block: int, element: dict, weights: bool,
                 single_row: bool = False) -> None:
    out.add(f"{name}_{x}_{tile}x{k_block}", "quantize",
            {"family": f"KernelFamily::{family}", **element, "input": enumerator("DataType", x), "panel_n" if weights else "panel_m": tile,
             "scaling": f"Scaling::k{scaling.capitalize()}"},
            {"tile": tile, "k_block": k_block, "x_type": HALIDE_TYPES[x], "panel_type": HALIDE_TYPES[panel], "scaling": scaling, "weights": weights,
             "single_row": single_row})


def add_fp16(out: Writer, entry: dict) -> None:
    panel, panel_n = entry["panel"], entry["panel_n"]
    element = enumerator("Element", panel)
    for suffix, place, tile, fields, twin in gemm_tiles(entry, 1):
        tile_n = panel_n * tile["panels"]
        name = f"gemm_f16_{tile['m']}x{tile_n}" + ("_row" if tile["panel_m"] == 1 else "")
        out.add(name + suffix, "gemm_f16",
                {"family": "KernelFamily::kGemmF16", "panel": element, **place, "tile_m": tile["m"], "panel_m": tile["panel_m"], "tile_n": tile_n,
                 "panel_n": panel_n},
                {"tile_m": tile["m"], "panel_m": tile["panel_m"], "panel_n": panel_n, "panels": tile["panels"], "k_split": tile["k_split"],
                 "single_tile": single_tile(tile), "lanes": entry["lanes"], "lhs_type": HALIDE_TYPES[panel], "order": order_of(fields, tile)},
                unroll=tile["unroll"], strict=False, same_as=None if twin is None else name + twin)
    for x in FLOAT_TYPES:
        for panel_m in (entry["panel_m"], 1):
            out.add(f"pack_rows_{x}_{panel_m}", "pack_f16",
                    {"family": "KernelFamily::kPackRowsF16", "panel": element, "input": enumerator("DataType", x), "panel_m": panel_m},
                    {"tile": panel_m, "x_type": HALIDE_TYPES[x], "panel_type": HALIDE_TYPES[panel]})
        out.add(f"pack_weights_{x}_{panel_n}", "pack_f16",
                {"family": "KernelFamily::kPackWeightsF16", "panel": "Element::kF16", "input": enumerator("DataType", x), "panel_n": panel_n},
                {"tile": panel_n, "x_type": HALIDE_TYPES[x]})


def add_elementwise(out: Writer, entry: dict) -> None:
    add_epilogues(out, {"lanes": dict.fromkeys((*FLOAT_TYPES, "i8"), entry["lanes"])})
    add_norms(out, entry)
    add_network(out, entry["lanes"])


def add_epilogues(out: Writer, entry: dict) -> None:
    for y, lanes in entry["lanes"].items():
        for combine in ("none", "residual", "gate"):
            out.add(f"epilogue_{combine}_{y}", "epilogue",
                    {"family": "KernelFamily::kEpilogue", "output": enumerator("DataType", y), "combine": f"Combine::k{combine.capitalize()}"},
                    {"lanes": lanes, "out_type": HALIDE_TYPES[y], "combine": combine})


def add_norms(out: Writer, entry: dict) -> None:
    for norm in ("layernorm", "rmsnorm"):
        for x in FLOAT_TYPES:
            for combine in ("none", "residual"):
                out.add(f"{norm}_{combine}_{x}", "norm",
                        {"family": f"KernelFamily::k{'LayerNorm' if norm == 'layernorm' else 'RmsNorm'}", "input": enumerator("DataType", x),
                         "combine": f"Combine::k{combine.capitalize()}"},
                        {"lanes": entry["lanes"], "x_type": HALIDE_TYPES[x], "rms": norm == "rmsnorm", "add": combine == "residual"})


def level_tiles(levels: dict) -> str:
    """One initialiser of octile::LevelTiles per level and precision."""
    rows = []
    for precision, weight_bytes in (("int8", 1), ("fp16", 2)):
        for isa, entries in levels.items():
            if precision not in entries:
                continue
            entry = entries[precision]
            lhs_bytes = ELEMENT_BYTES[entry["panel"]]
            # A vector of weights takes one instruction per vector of what they are widened to.
            widen = f"1.0 / {16 // lhs_bytes}" if lhs_bytes > weight_bytes else "0"
            rows.append(f"{{{enumerator('Isa', isa)}, Precision::k{precision.capitalize()}, {entry['panel_m']}, {entry.get('cell', [1])[0]}, {entry['panel_n']}, {lhs_bytes}, "
                        f"{weight_bytes}, {widen}}},\n")
    return "// Written by generators/variants.py; edit the schedules instead.\n" + "".join(rows)


def write_if_changed(path: pathlib.Path, text: str) -> None:
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def add_attention(out: Writer, entry: dict) -> None:
    for biased in (False, True):
        for rows in entry["rows"]:
            out.add(f"attention_{'biased_' if biased else ''}{rows}", "attention",
                    {"family": "KernelFamily::kAttention", "tile_m": rows, "combine": "Combine::kResidual" if biased else "Combine::kNone"},
                    {"lanes": entry["lanes"], "tile_m": rows, "key_vectors": entry["key_vectors"], "head_vectors": entry.get("head_vectors", 1), "biased": biased})


def add_network(out: Writer, lanes: int) -> None:
    """What a network needs around its linears and norms, but for attention."""
    for rotary in (False, True):
        out.add("rotary" if rotary else "split_heads", "heads", {"family": f"KernelFamily::k{'Rotary' if rotary else 'SplitHeads'}"},
                {"lanes": lanes, "rotary": rotary})
    for x in FLOAT_TYPES:
        for combine in ("none", "residual"):
            out.add(f"embedding_{combine}_{x}", "embedding",
                    {"family": "KernelFamily::kEmbedding", "input": enumerator("DataType", x), "combine": f"Combine::k{combine.capitalize()}"},
                    {"lanes": lanes, "x_type": HALIDE_TYPES[x], "add": combine == "residual"})
    out.add("mean_pool", "pool", {"family": "KernelFamily::kMeanPool"}, {"lanes": lanes})
    out.add("normalize", "normalize", {"family": "KernelFamily::kNormalize"}, {"lanes": lanes})


KINDS = {"int8": add_int8, "fp16": add_fp16, "elementwise": add_elementwise, "epilogue": add_epilogues, "attention": add_attention}


def read_schedules(paths: list[pathlib.Path]) -> dict:
    """The levels of the files, held to schedules/format/bounds.json."""
    try:
        return schedule_files.read_schedules(paths)
    except schedule_files.ScheduleError as error:
        fail(str(error))


def add_schedule_options(parser: argparse.ArgumentParser) -> None:
    """What read_sets() reads."""
    parser.add_argument("--schedule", type=pathlib.Path, action="append", required=True)
    parser.add_argument("--core", type=pathlib.Path, action="append", default=[])
    parser.add_argument("--optional-core", type=pathlib.Path, action="append", default=[])
    parser.add_argument("levels", nargs="+")


def read_sets(arguments: argparse.Namespace) -> dict[str, dict]:
    """Name -> levels of every set; the first is that of the --schedule files."""
    sets = {arguments.schedule[-1].stem: read_schedules(arguments.schedule)}
    first = next(iter(sets.values()))
    for path in [*arguments.core, *arguments.optional_core]:
        if path.stem in sets:
            if path in arguments.optional_core:
                continue
            fail(f"two schedules are named {path.stem}")
        is_default = path == arguments.schedule[0]
        levels = read_schedules(arguments.schedule[:1] if is_default else [arguments.schedule[0], path])
        if not is_default and not set(read_schedules([path])) & set(arguments.levels):
            continue  # another architecture's
        if fault := other_panels(first, levels, arguments.levels):
            if path in arguments.core:
                fail(f"{path}: {fault}")
            continue
        sets[path.stem] = levels
    if len(sets) > MOST_SETS:
        fail(f"expected at most {MOST_SETS} schedules, found {len(sets)}")
    for name in sets:
        try:
            schedule_files.check_name("schedule", name)
        except schedule_files.ScheduleError as error:
            fail(str(error))
    check_widths(sets, arguments.levels)
    return sets


def entries_of(levels: dict, chosen: dict[str, tuple]) -> list[Entry]:
    entries = []
    for isa, kinds in chosen.items():
        out = Writer(isa)
        for kind in kinds:
            if kind in levels[isa]:
                KINDS[kind](out, levels[isa][kind])
        entries += out.entries
    return entries


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_schedule_options(parser)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--tiles", type=pathlib.Path, required=True)
    parser.add_argument("--names", type=pathlib.Path)
    parser.add_argument("--base", required=True, help="the architecture's lowest level")
    arguments = parser.parse_args()
    sets = read_sets(arguments)
    levels = next(iter(sets.values()))
    defaults = read_schedules(arguments.schedule[:1])
    chosen = {isa: tuple(KINDS) for isa in arguments.levels}
    chosen.setdefault(arguments.base, ("elementwise", "attention"))
    for isa in list(chosen):
        if isa not in levels:
            fail(f"no schedule for level {isa}")
        if fault := packing_fault(isa, levels, arguments.levels):
            if isa not in defaults or packing_fault(isa, defaults, arguments.levels):
                fail(fault)
            # The core's file gave the packer other panels, so it is for cores that do not run this level.
            print(f"-- Octile: without level {isa}, as {arguments.schedule[-1].name} changes the panels that it reads ({fault})")
            del chosen[isa]
    entries = merged({core: entries_of(of_core, chosen) for core, of_core in sets.items()})
    lines = ["# Written by generators/variants.py; edit the schedules instead.", *(entry.text() for entry in entries)]
    write_if_changed(arguments.output, "\n".join(lines) + "\n")
    write_if_changed(arguments.tiles, level_tiles(levels))
    if arguments.names:
        write_if_changed(arguments.names, "".join(f'"{name}",\n' for name in sets))


if __name__ == "__main__":
    main()
