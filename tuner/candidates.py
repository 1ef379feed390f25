#!/usr/bin/env python3
"""Writes the kernels of a tuning job's candidates as octile_add_kernel() lines, and the table that the measuring program picks from.

usage: candidates.py --candidates FILE --schedule default.json [--schedule CORE.json] --output variants.cmake --tiles level_tiles.inc --table candidates.inc

The kernels are those that generators/variants.py would make of each candidate's schedule, through the same code, with two differences. Of the GEMMs, only
the heights that the job's layers run are made; the others are rows of the table whose kernel returns an error. And a GEMM's name ends with a digest
of its parameters, so that candidates which share a kernel share its object, and so do later jobs.

The file of candidates: {"isa", "kernel": "gemm_s8" or "gemm_f16", "rows": [numbers of rows of the job's layers], "candidates": [{"id", "entry": the level's "int8" or "fp16" entry}]}
"""

import argparse
import hashlib
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "generators"), str(ROOT / "schedules/format")]
import schedule_files  # noqa: E402
import variants  # noqa: E402

KINDS = {"gemm_s8": "int8", "gemm_f16": "fp16"}
WRITER_OF_KIND = {"int8": variants.add_int8, "fp16": variants.add_fp16}
AROUND_GEMMS = ("kQuantizeRows", "kQuantizeWeights", "kUnpackS4", "kPackRowsF16", "kPackWeightsF16", "kEpilogue")
MISSING = "octile_missing_kernel"
MOST_BYTES = 64 << 20  # of a job: some 2 kB for each of 10^4 schedules


class CandidateWriter(variants.Writer):
    """Keeps of what variants.py adds the kernels that the job runs, each once."""

    def __init__(self, isa: str, rows: list[int], lines: dict[str, str]):
        super().__init__(isa)
        self._rows, self._all = rows, lines
        self.rows: list[str] = []

    def _runs(self, params: dict) -> bool:
        if params.get("asymmetric") or params.get("wide"):  # layers quantize their rows by themselves, symmetrically
            return False
        if params["panel_m"] == params.get("cell_m", 1):
            return 1 in self._rows
        tall = params["panel_m"]
        return any(rows % tall == params["tile_m"] % tall and rows >= params["tile_m"] or rows > tall == params["tile_m"]
                   for rows in self._rows if rows > 1)

    def add(self, name: str, family: str, row: dict, params: dict, unroll: int = 1, mmla: bool = False, strict: bool = True,
            same_as: str | None = None) -> None:
        if family.startswith("gemm_"):
            digest = hashlib.sha256(json.dumps([params, unroll], sort_keys=True).encode()).hexdigest()[:8]
            name = f"{name.removesuffix('_large')}_{digest}"
            fields = {"isa": variants.enumerator("Isa", self.isa), **row}
            text = ", ".join(f".{field} = {fields[field]}" for field in sorted(fields, key=variants.ROW_FIELDS.index))
            entry = f"octile_{name}_{self.isa}_argv" if self._runs(params) else MISSING
            self.rows.append(f'{entry}, {{.name = "{name}_{self.isa}", {text}}}')
            if entry == MISSING:
                return
        elif not self._is_needed(row):
            return
        super().add(name, family, row, params, unroll, mmla, strict)
        self._all.setdefault(f"{name}_{self.isa}", self.entries[-1].text())

    @staticmethod
    def _is_needed(row: dict) -> bool:
        """Layers are measured from f32 to f32, and quantize their rows by themselves."""
        return (row["family"].removeprefix("KernelFamily::") in AROUND_GEMMS and
                row.get("input", "DataType::kF32") == "DataType::kF32" and row.get("output", "DataType::kF32") == "DataType::kF32" and
                row.get("scaling", "Scaling::kDynamic") == "Scaling::kDynamic" and row.get("combine", "Combine::kNone") == "Combine::kNone")


def read_job(path: pathlib.Path, levels: list[str]) -> dict:
    """The file of candidates, held to what a schedule may be. ScheduleError begins with its path."""
    job = schedule_files.read_json(path, MOST_BYTES)
    many = {"from": 1, "to": 1 << 20}
    candidate = {"fields": {"id": {"name": True}, "entry": {"any": True}}}
    schedule_files.check(f"{path}: job", job, {"fields": {
        "isa": {"one_of": levels}, "kernel": {"one_of": list(KINDS)}, "rows": {"list": {"from": 1, "to": 1 << 31}, **many},
        "candidates": {"list": candidate, **many}}})
    for at, candidate in enumerate(job["candidates"]):
        schedule_files.check_entry(f"{path}: candidates[{at}].entry", job["isa"], KINDS[job["kernel"]], candidate["entry"])
    return job


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=pathlib.Path, required=True)
    parser.add_argument("--schedule", type=pathlib.Path, action="append", required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--tiles", type=pathlib.Path, required=True)
    parser.add_argument("--table", type=pathlib.Path, required=True)
    parser.add_argument("levels", nargs="+", help="the architecture's, the lowest first")
    arguments = parser.parse_args()
    levels = variants.read_schedules(arguments.schedule)
    try:
        job = read_job(arguments.candidates, arguments.levels)
    except schedule_files.ScheduleError as error:
        variants.fail(str(error))
    isa, kind = job["isa"], KINDS[job["kernel"]]

    lines: dict[str, str] = {}
    # What stands around a GEMM comes from the highest level below that has it.
    for level in arguments.levels[:arguments.levels.index(isa) + 1]:
        out = CandidateWriter(level, [], lines)
        for other in ("elementwise", "epilogue"):
            if other in levels.get(level, {}):
                variants.KINDS[other](out, levels[level][other])
    packer = levels[isa].get(kind, {}).get("packed_by")
    if packer:
        WRITER_OF_KIND[kind](CandidateWriter(packer, [], lines), levels[packer][kind])

    table = [f'OCTILE_MEASURED("{job["kernel"]}", {variants.enumerator("Isa", isa)})']
    for number, candidate in enumerate(job["candidates"]):
        out = CandidateWriter(isa, job["rows"], lines)
        WRITER_OF_KIND[kind](out, candidate["entry"])
        table.append(f'OCTILE_CANDIDATE("{candidate["id"]}")')
        table += [f"OCTILE_CANDIDATE_KERNEL({number}, {row})" for row in out.rows]
    variants.write_if_changed(arguments.output, "\n".join(lines.values()) + "\n")
    variants.write_if_changed(arguments.table, "\n".join(table) + "\n")
    variants.write_if_changed(arguments.tiles, variants.level_tiles(levels))


if __name__ == "__main__":
    main()
