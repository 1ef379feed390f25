"""Reads schedule files, which may be anybody's: whatever is in them that bounds.json has no room for is an error that names file and field.

What comes out may become the name of a kernel, an argument of CMake, or a loop that is built: words out of closed lists, and integers that a build
can be made of. tuner/schedule_format.cpp holds records, bundles and the files that octile reads to the same rules.
"""

import json
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
BOUNDS = json.loads((HERE / "bounds.json").read_text())
LEVELS = [name for name in json.loads((HERE.parents[1] / "generators/isa_levels.json").read_text()) if name != "_"]
GEMMS = ("int8", "fp16")
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


class ScheduleError(ValueError):
    """One line."""


def found(value) -> str:
    """Of a file, for a message: ASCII without control characters, and short."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    text = json.dumps(value)
    return text if len(text) <= 100 else text[:100] + "..."


def check_name(where: str, name) -> str:
    """A name that may become that of a file, a target or a kernel."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ScheduleError(f"{where}: expected a name of letters, digits, '.', '_' and '-', found {found(name)}")
    return name


def check_level(where: str, name) -> str:
    if not isinstance(name, str) or name not in LEVELS:
        raise ScheduleError(f"{where}: expected one of {', '.join(LEVELS)}, found {found(name)}")
    return name


def fields_of(rule: dict) -> dict:
    """Of a rule for objects, with those that it shares with others."""
    fields = dict(rule["fields"])
    for shared in rule.get("with", ()):
        fields |= BOUNDS["rules"][shared]
    return fields


def check_count(where: str, what: str, count: int, rule: dict) -> None:
    if not rule["from"] <= count <= rule["to"]:
        raise ScheduleError(f"{where}: expected {rule['from']} to {rule['to']} {what}, found {count}")


def check(where: str, value, rule: dict) -> None:
    """Holds a value to its rule."""
    if "fields" in rule:
        if not isinstance(value, dict):
            raise ScheduleError(f"{where}: expected an object, found {found(value)}")
        fields = fields_of(rule)
        for name in value:
            if name not in fields:
                raise ScheduleError(f"{where}: unknown field {found(name)}")
        for name, field in fields.items():
            if name in value:
                check(f"{where}.{name}", value[name], field)
            elif not field.get("optional"):
                raise ScheduleError(f"{where}.{name}: missing")
    elif "map" in rule:
        if not isinstance(value, dict):
            raise ScheduleError(f"{where}: expected an object, found {found(value)}")
        for name, element in value.items():
            if name not in rule["keys"]:
                raise ScheduleError(f"{where}: expected some of {', '.join(rule['keys'])}, found {found(name)}")
            check(f"{where}.{name}", element, rule["map"])
    elif "list" in rule:
        if not isinstance(value, list):
            raise ScheduleError(f"{where}: expected an array, found {found(value)}")
        check_count(where, "elements", len(value), rule)
        for at, element in enumerate(value):
            check(f"{where}[{at}]", element, rule["list"])
    elif "level" in rule:
        check_level(where, value)
    elif "name" in rule:
        check_name(where, value)
    elif "one_of" in rule:
        if not isinstance(value, str) or value not in rule["one_of"]:
            raise ScheduleError(f"{where}: expected one of {', '.join(rule['one_of'])}, found {found(value)}")
    elif "any" not in rule and (isinstance(value, bool) or not isinstance(value, int) or not rule["from"] <= value <= rule["to"]):
        raise ScheduleError(f"{where}: expected an integer from {rule['from']} to {rule['to']}, found {found(value)}")


def size_classes(entry: dict) -> list[dict]:
    """An entry's fields for weights of any size and, where it tells them apart, for large ones."""
    return [entry, {**entry, **entry["large"]}] if "large" in entry else [entry]


def check_tile(where: str, isa: str, entry: dict, rows: int, tile: dict, widest: int) -> None:
    """What a kernel can be made of: whole registers of columns, no more sums than registers, chains within the padding of K."""
    cell_m, cell_n = entry.get("cell", (1, entry.get("lanes")))
    cell_n *= entry.get("segments", 1)
    form = BOUNDS["forms"][entry.get("form", "gemm_s8")]
    panels, split = tile.get("panels", 1), tile.get("k_split", 1)
    columns, step = entry["panel_n"] * panels, max(cell_n, form["columns"])
    if columns % step:
        raise ScheduleError(f"{where}: expected a multiple of {step} columns, found {columns}")
    if tile.get("prefetch") and not form["prefetch"]:
        raise ScheduleError(f"{where}.prefetch: expected 0 for {entry['form']}, found {tile['prefetch']}")
    padding = BOUNDS["reduction_padding"]
    if split * entry.get("k_block", 1) > padding:
        raise ScheduleError(f"{where}.k_split: expected chains of at most {padding} elements of K, found {split * entry.get('k_block', 1)}")
    registers = BOUNDS["registers_of_level"].get(isa, BOUNDS["registers"])
    sums = -(-rows // cell_m) * (columns // cell_n) * split
    if sums > registers:
        raise ScheduleError(f"{where}: expected at most {registers} registers, found {sums} for the sums alone")
    if widest % panels:
        raise ScheduleError(f"{where}.panels: expected a divisor of {widest}, the most that a tile spans, found {panels}")


def check_entry(where: str, isa: str, kind: str, entry) -> None:
    """An entry of a level, on its own."""
    if kind not in BOUNDS["kinds"]:
        raise ScheduleError(f"{where}: expected one of {', '.join(BOUNDS['kinds'])}, found {found(kind)}")
    check(where, entry, BOUNDS["kinds"][kind])
    if kind not in GEMMS:
        return
    cell_m = entry.get("cell", [1])[0]
    if entry["panel_m"] % cell_m or entry["panel_m"] == cell_m:
        raise ScheduleError(f"{where}.panel_m: expected a multiple of {cell_m} above it, found {entry['panel_m']}")
    for fields in size_classes(entry):
        tiles = [*fields["tiles"], {**fields["row"], "m": 1}]
        heights = sorted(tile["m"] for tile in fields["tiles"])
        if heights != list(range(1, entry["panel_m"] + 1)):
            raise ScheduleError(f"{where}.tiles: expected every height from 1 to panel_m, {entry['panel_m']}, once, found {found(str(heights))}")
        widest = max(tile.get("panels", 1) for tile in tiles)
        for at, tile in enumerate(tiles):
            place = f"{where}.tiles[{at}]" if at < len(heights) else f"{where}.row"
            check_tile(place, isa, entry, tile["m"], tile, widest)


def read_json(path: pathlib.Path, most_bytes: int):
    """A file's JSON. ScheduleError begins with its path."""
    try:
        with path.open("rb") as file:
            text = file.read(most_bytes + 1)
        if len(text) > most_bytes:
            raise ScheduleError(f"expected at most {most_bytes} bytes, found more")
        return json.loads(text)
    except RecursionError:
        raise ScheduleError(f"{path}: expected JSON of a few levels, found more") from None
    except (OSError, ValueError) as error:
        raise ScheduleError(f"{path}: {error.strerror if isinstance(error, OSError) else error}") from None


def read_schedule(path: pathlib.Path) -> dict:
    """A file's levels."""
    content = read_json(path, BOUNDS["file_bytes"])
    if not isinstance(content, dict) or not isinstance(content.get("levels"), dict):
        raise ScheduleError(f"{path}: levels: expected an object")
    for name in content:
        if name not in ("_", "chosen", "levels"):
            raise ScheduleError(f"{path}: unknown field {found(name)}")
    for isa, entries in content["levels"].items():
        check_level(f"{path}: levels", isa)
        if not isinstance(entries, dict):
            raise ScheduleError(f"{path}: levels.{isa}: expected an object, found {found(entries)}")
        for kind, entry in entries.items():
            if kind not in BOUNDS["kinds"]:
                raise ScheduleError(f"{path}: levels.{isa}: unknown field {found(kind)}")
            check_entry(f"{path}: levels.{isa}.{kind}", isa, kind, entry)
    return content["levels"]


def check_fixed(where: str, entry: dict, base: dict) -> None:
    """What a level's instructions take is no schedule's to choose: `base` has it."""
    for field in BOUNDS["fixed_by_level"]:
        if entry.get(field) != base.get(field):
            raise ScheduleError(f"{where}.{field}: expected the level's, {json.dumps(base.get(field))}, found {found(entry.get(field))}")


def read_schedules(paths: list[pathlib.Path]) -> dict:
    """The levels of several files; an entry of a later file replaces that of an earlier one."""
    levels: dict = {}
    for path in paths:
        for isa, entries in read_schedule(path).items():
            for kind, entry in entries.items():
                if kind in levels.get(isa, {}):
                    check_fixed(f"{path}: levels.{isa}.{kind}", entry, levels[isa][kind])
            levels[isa] = {**levels.get(isa, {}), **entries}
    return levels
