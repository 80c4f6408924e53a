"""What is wrong with a handbook file, in words that the school's editors read.

Made by `loader` and `check`; shown by `xinqing handbook check` and by the editor's pages.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

Severity = Literal["error", "warning"]


@cache
def entry_format() -> Mapping[str, Any]:
    """Return the rules of `format.toml`, read once."""
    return tomllib.loads(Path(__file__).with_name("format.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Problem:
    """
    One thing to put right.

    Args:
        line: Counted from 1; 1 when the whole file is meant.
        field: The key of the front matter or the heading of the section.
        text: A Chinese sentence for the editor.
    """

    severity: Severity
    file: Path
    line: int
    field: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field}: {self.text}"


def problem(
    name: str,
    file: Path,
    line: int = 1,
    field: str = "",
    *,
    severity: Severity = "error",
    **values: object,
) -> Problem:
    """Make a problem from the sentence called `name` in `format.toml`."""
    text = str(entry_format()["problems"][name]).format(**values)
    return Problem(severity, file, line, field, text)
