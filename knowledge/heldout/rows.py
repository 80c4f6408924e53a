"""Read the exam's tables. Called by `xinqing eval handbook`, the measuring and the tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FOLDER = Path(__file__).parent
Half = Literal["odd", "even", "all"]
COLUMNS = ("ids", "kind", "asker", "danger", "text")
DANGER = ("", "may", "yes")


@dataclass(frozen=True)
class Row:
    """
    One text of the exam.

    Args:
        number: Its place in the file, from 1; odd ones are for development, even ones the exam.
        ids: Questions of the list or entries that answer it; empty where nothing does.
        kind: Its length (short, scene, story) or what sort of message it is; may be empty.
        asker: Who writes: mother, father, grandparent, teacher, pupil, relative; may be empty.
        danger: `yes` where the reply to danger is right, `may` where it is not wrong, else empty.
    """

    number: int
    ids: tuple[str, ...]
    kind: str
    asker: str
    text: str
    danger: str = ""


@dataclass(frozen=True)
class Exam:
    """
    The four tables.

    Args:
        questions: The listed questions asked in new ways.
        entries: The same for entries beyond the list.
        terms: Search words.
        messages: What no entry answers.
    """

    questions: tuple[Row, ...]
    entries: tuple[Row, ...]
    terms: tuple[Row, ...]
    messages: tuple[Row, ...]


def read_exam(folder: Path = FOLDER, half: Half = "all") -> Exam:
    """
    Read the tables of a folder; one that is missing is empty, but not all of them.

    Raises:
        ValueError: There is no table, or a row is wrong; the file and line are named.
    """
    names = ("questions", "entries", "terms", "messages")
    paths = [folder / f"{name}.tsv" for name in names]
    if not any(path.exists() for path in paths):
        raise ValueError(f"{folder.name} holds none of {', '.join(p.name for p in paths)}")
    return Exam(*(tuple(choose(read_rows(p) if p.exists() else (), half)) for p in paths))


def read_rows(path: Path) -> tuple[Row, ...]:
    """
    Read one table.

    Raises:
        ValueError: See `parse_rows`.
    """
    return parse_rows(path.read_text(encoding="utf-8-sig"), path.name)


def parse_rows(table: str, name: str) -> tuple[Row, ...]:
    """
    Read a line of column names, then one row a line; `#` begins a remark.

    Raises:
        ValueError: A column is unknown, there is no text, or a row has other columns.
    """
    header: list[str] | None = None
    found: list[Row] = []
    for number, line in enumerate(table.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        if header is None:
            header = cells
            if "text" not in header or not set(header) <= set(COLUMNS):
                raise ValueError(f"{name}:{number}: columns are {', '.join(COLUMNS)}")
            continue
        if len(cells) != len(header) or not cells[header.index("text")]:
            raise ValueError(f"{name}:{number}: wants {len(header)} columns and a text")
        named = dict(zip(header, cells, strict=True))
        if named.get("danger", "") not in DANGER:
            raise ValueError(f"{name}:{number}: danger is yes, may or empty")
        ids = tuple(part.strip() for part in named.get("ids", "").split(",") if part.strip())
        kept = (named.get(column, "") for column in ("kind", "asker", "text", "danger"))
        found.append(Row(len(found) + 1, ids, *kept))
    return tuple(found)


def choose(rows: Sequence[Row], half: Half) -> list[Row]:
    """Return the odd rows, the even rows, or all."""
    return [row for row in rows if is_in(row, half)]


def is_in(row: Row, half: Half) -> bool:
    """Say whether a row belongs to a half; every one belongs to `all`."""
    return half == "all" or row.number % 2 == (half == "odd")
