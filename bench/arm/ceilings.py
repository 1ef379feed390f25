"""The ratchet: instructions per 1000 MAC that no commit may exceed, per level and shape, in ceilings.json."""

import json
import pathlib

# The counts are exact; the margin is for what other versions of the C++ compiler and the C library do around the kernels.
_MARGIN = 1.01


def exceeded(measured: list[dict], ceilings: dict) -> list[str]:
    """One line for each figure above its ceiling or without one."""
    findings = []
    for row in measured:
        ceiling = ceilings.get(row["level"], {}).get(row["shape"])
        if ceiling is None:
            findings.append(f"{row['level']} {row['shape']}: {row['total']:.2f} instructions per 1000 MAC and no ceiling; lower it to that")
        elif row["total"] > ceiling:
            findings.append(f"{row['level']} {row['shape']}: {row['total']:.2f} instructions per 1000 MAC; expected at most {ceiling}")
    return findings


def lowered(measured: list[dict], ceilings: dict) -> dict:
    """`ceilings` with those that the measurement allows to be lower, or that were missing. None rises."""
    result = {level: dict(shapes) for level, shapes in ceilings.items()}
    for row in measured:
        shapes = result.setdefault(row["level"], {})
        new = round(row["total"] * _MARGIN, 2)
        shapes[row["shape"]] = min(new, shapes.get(row["shape"], new))
    return result


def read(path: pathlib.Path) -> dict:
    return json.loads(path.read_text()) if path.exists() else {}


def write(path: pathlib.Path, ceilings: dict) -> None:
    path.write_text(json.dumps(ceilings, indent=2) + "\n")
