"""Read the labelled messages that the classifier learns from and is measured on.

Called by `train`, by the command line and by tests. The examples of the project are written for it
by hand (`knowledge/risk/examples`); other files come with `--data` and are never committed.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knowledge.errors import KnowledgeError
from knowledge.risk.loading import CATEGORIES
from knowledge.risk.values import SPEAKERS, Level

FOLDER = Path(__file__).parent.parent / "examples"
NEXT = " ⏎ "
COLUMNS = ["text", "level", "category", "who"]
# What the labels of a file in JSON lines say of the level: at least, at most.
LABELS = {
    "none": (Level.NONE, Level.WATCH),
    "some-risk": (Level.FOCUS, Level.EMERGENCY),
    "high-risk": (Level.HIGH, Level.EMERGENCY),
}


class ExamplesInvalid(KnowledgeError):
    """A file of examples that cannot be read, with file, line and field."""


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled message, or several of a conversation, oldest first.

    Args:
        least, most: the level lies between these; the same where the label is exact.
        category: code of DOMAIN §2.1; empty where nobody said.
        who: speaker code of DOMAIN §3; empty where nobody said.
        source: the file it stands in, without its ending.
    """

    turns: tuple[str, ...]
    least: Level
    most: Level
    category: str
    who: str
    source: str

    @property
    def escalated(self) -> bool:
        """Tell whether a person must see it."""
        return self.least.escalated


def read_folder(folder: Path = FOLDER) -> list[Example]:
    """Read every `*.tsv` of a folder, in the order of the names.

    Raises:
        ExamplesInvalid: a line that is not an example, or stands there twice.
    """
    rows = [row for path in sorted(folder.glob("*.tsv")) for row in read_table(path)]
    if not rows:
        raise ExamplesInvalid("there are no examples", file=folder)
    seen: dict[tuple[str, ...], str] = {}
    for row in rows:
        if row.turns in seen:
            raise ExamplesInvalid(f"also in {seen[row.turns]}: {row.turns[0]}", file=folder)
        seen[row.turns] = row.source
    return rows


def read_harmless(path: Path) -> list[Example]:
    """Read harmless messages, one a line, such as those the handbook does not answer."""
    rows = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    kept = dict.fromkeys(row for row in rows if row and not row.startswith("#"))
    return [Example((row,), Level.NONE, Level.NONE, "NONE", "X", path.stem) for row in kept]


def read_table(path: Path) -> list[Example]:
    """Read one table with the columns text, level, category, who.

    Raises:
        ExamplesInvalid: naming the line and the column.
    """
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        if next(reader, None) != COLUMNS:
            raise ExamplesInvalid("the columns are not text, level, category, who", file=path)
        return [_row(path, number, cells) for number, cells in enumerate(reader, 2)]


def _row(path: Path, line: int, cells: list[str]) -> Example:
    def wrong(problem: str, field: str) -> ExamplesInvalid:
        return ExamplesInvalid(problem, file=path, line=line, field=field)

    if len(cells) != len(COLUMNS):
        raise wrong(f"{len(cells)} columns", "text")
    text, level, category, who = cells
    turns = tuple(turn.strip() for turn in text.split(NEXT.strip()))
    if not all(turns):
        raise wrong("empty", "text")
    if level not in set(Level):
        raise wrong(f"{level!r} is no level", "level")
    if category not in CATEGORIES:
        raise wrong(f"{category!r} is no category", "category")
    if who not in SPEAKERS:
        raise wrong(f"{who!r} is no speaker", "who")
    exact = Level(level)
    return Example(turns, exact, exact, category, who, path.stem)


def read_lines(path: Path) -> list[Example]:
    """Read JSON lines `{"text" or "turns", "label", …}`; rows whose label is unknown are left out.

    Raises:
        ExamplesInvalid: naming the line that is not JSON or has no text.
    """
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row: dict[str, Any] = json.loads(line)
            turns = tuple(row.get("turns") or [row["text"]])
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise ExamplesInvalid(
                "not a row of JSON with a text", file=path, line=number
            ) from error
        label = row.get("label")
        if label in LABELS:
            found.append(Example(turns, *LABELS[label], "", "", path.stem))
    return found


def digest(paths: Iterable[Path]) -> str:
    """Return the SHA-256 of files, names and contents, in the order of their names."""
    total = hashlib.sha256()
    for path in sorted(paths):
        total.update(path.name.encode() + b"\0" + path.read_bytes())
    return total.hexdigest()
