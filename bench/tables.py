"""A page with one table: rows that were measured anew replace those of the same id, the others stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

Row = Sequence[str]


def write(
    path: Path, *, heading: str, columns: Row, order: Sequence[str], measured: Mapping[str, Sequence[Row]]
) -> None:
    """Write the page. `order` has all ids; `measured` the rows of some, each beginning with its id."""
    rows = {**_rows(path), **{name: [_line(row) for row in found] for name, found in measured.items()}}
    table = [_line(columns), _line(["---"] * len(columns))]
    table += [line for name in order for line in rows.get(name, ())]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([heading.strip(), "", *table, ""]))


def _rows(path: Path) -> dict[str, list[str]]:
    rows: dict[str, list[str]] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        if line.startswith("| "):
            rows.setdefault(line.split("|")[1].strip(), []).append(line)
    return rows


def _line(cells: Row) -> str:
    return "| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in cells) + " |"
