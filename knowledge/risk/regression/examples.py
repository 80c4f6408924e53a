"""The written examples: `examples.tsv`, each line with the level that its words must get.

Called by `check` and by the tests of the screen.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "examples.tsv"


@cache
def examples() -> tuple[dict[str, str], ...]:
    """Return the examples: id, text, who, category, level, reason, group."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file, delimiter="\t"))
