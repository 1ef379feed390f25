"""The measurements as aligned tables, beside the targets and peers of figures.json."""

from program import CLASSES, PHASES


def aligned(rows: list[list[str]]) -> str:
    """First column to the left, the others to the right. Rows of headers are rows."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(f"{cell:<{w}}" if i == 0 else f"{cell:>{w}}" for i, (cell, w) in enumerate(zip(row, widths, strict=True))).rstrip()
                     for row in rows)


def _grouped(first: list[str], groups: list[str], columns: list[str]) -> list[list[str]]:
    """Two rows of headers: a group's name over the first of its columns."""
    return [[""] * len(first) + [cell for group in groups for cell in (group, *[""] * (len(columns) - 1))], first + columns * len(groups)]


def _number(value: float | None, decimals: int = 1) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"


def target_instructions(figures: dict, level: str, shape: str) -> float | None:
    targets = figures["targets"].get(level)
    return targets["instructions_per_1000_macs"][figures["shapes"].index(shape)] if targets and shape in figures["shapes"] else None


def best_peer(figures: dict, level: str, shape: str) -> tuple[float | None, str]:
    """The fewest instructions of a peer's whole linear, and whose. A count of the matmul is that of the whole without its share."""
    if shape not in figures["shapes"]:
        return None, "-"
    at, best = figures["shapes"].index(shape), (None, "-")
    for name, counts in figures["peers"].get(level, {"linears": {}})["linears"].items():
        if counts["matmul"][at] is not None:
            whole = counts["matmul"][at] / (1 - (counts["quantize_share"][at] or 0))
            best = min(best, (whole, name), key=lambda entry: float("inf") if entry[0] is None else entry[0])
    return best


def _mark(value: float, target: float | None, at_most: bool) -> str:
    if target is None:
        return ""
    return "met" if (value <= target if at_most else value >= target) else "MISSED"


def instruction_tables(measured: list[dict], figures: dict) -> str:
    header = ["M x K x N", "total", "target", "", "best peer", "", *PHASES]
    by_phase, by_class = [], []
    for level in dict.fromkeys(row["level"] for row in measured):
        by_phase.append([level] + [""] * (len(header) - 1))
        by_class.append([level] + [""] * len(CLASSES))
        for row in (row for row in measured if row["level"] == level):
            target = target_instructions(figures, level, row["shape"])
            peer, name = best_peer(figures, level, row["shape"])
            phases = [_number(sum(row["phases"][phase].values()), 2) for phase in PHASES]
            by_phase.append([f"  {row['shape']}", _number(row["total"]), _number(target), _mark(row["total"], target, True), _number(peer), name,
                             *phases])
            by_class.append([f"  {row['shape']}", *(_number(sum(phase.get(kind, 0) for phase in row["phases"].values()), 2) for kind in CLASSES)])
    return ("Executed instructions per 1000 MAC, whole linear (f32 in and out, bias), by phase\n\n" + aligned([header, *by_phase]) +
            "\n\nThe same by class\n\n" + aligned([["M x K x N", *CLASSES], *by_class]))


def loop_table(loops: list[dict], cores: dict) -> str:
    """One row per level and tile: its slowest loop on each core, which is that of all its kernels when they are alike."""
    header = _grouped(["tile (m x n x k)", "kernels", "instr/1000 MAC"], list(cores), ["cycles", "of peak", "of limit"])
    groups: dict[tuple, list[dict]] = {}
    for loop in loops:
        if loop["cores"]:
            groups.setdefault((loop["level"], loop["tile"], loop["kind"]), []).append(loop)
    rows = []
    for (level, tile, kind), group in groups.items():
        cells = [f"{level} {tile} {kind}", str(len({loop["kernel"] for loop in group})),
                 _number(max(1000 * loop["instructions"] / loop["macs"] for loop in group))]
        for core in cores:
            if core in group[0]["cores"]:
                slowest = min((loop["cores"][core] for loop in group), key=lambda entry: entry["share_of_peak"])
                cells += [_number(slowest["cycles"], 2), f"{100 * slowest['share_of_peak']:.1f} %", f"{100 * slowest['share_of_limit']:.1f} %"]
            else:
                cells += ["-", "-", "-"]
        rows.append(cells)
    return ("Reduction loops by llvm-mca: cycles per iteration, share of the core's peak MAC/cycle, share of what its ports and dispatch allow\n\n" +
            aligned([*header, *rows]))


def linear_table(linears: list[dict], figures: dict) -> str:
    cores = list(figures["cores"])
    header = _grouped(["M x K x N"], cores, ["MAC/cycle", "target", "", "peer"])
    rows = []
    for level in dict.fromkeys(row["level"] for row in linears):
        rows.append([level] + [""] * (len(header[0]) - 1))
        targets = figures["targets"].get(level, {}).get("macs_per_cycle", {})
        peers = figures["peers"].get(level, {}).get("best_macs_per_cycle", {})
        for row in (row for row in linears if row["level"] == level):
            cells = [f"  {row['shape']}"]
            for core in cores:
                value = row["macs_per_cycle"].get(core)
                mark = "" if value is None else _mark(value, targets.get(core), False)
                cells += [_number(value), _number(targets.get(core)), mark, _number(peers.get(core))]
            rows.append(cells)
    return "Whole linear by llvm-mca over the executed trace, MAC/cycle\n\n" + aligned([*header, *rows])
