"""JSON Lines in and out, for the batch forms: UTF-8, one object a line, errors name the line."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bot.core.errors import InputInvalid


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file; empty lines are passed over.

    Raises:
        InputInvalid: the file can't be read, or a line is no JSON object.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputInvalid(f"{path}: can't be read ({type(error).__name__})") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise InputInvalid(f"{path}:{number}: not a JSON object")
        yield row


def turns_of(row: dict[str, Any], number: int) -> list[str]:
    """Return the consecutive messages of a row: `turns`, or the one `text`.

    Raises:
        InputInvalid: the row has neither, or they are not texts.
    """
    turns = row.get("turns", [row.get("text")])
    if not isinstance(turns, list) or not turns or not all(isinstance(t, str) for t in turns):
        raise InputInvalid(f"row {number}: needs a text, or turns as a list of texts")
    return turns


def write(row: dict[str, Any]) -> None:
    """Write one object as a line of standard output; lone surrogates are escaped."""
    line = json.dumps(row, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:
        line = json.dumps(row)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
