"""The errors of the text engines: every one names the file, the line and the field it is about.

Raised inside `knowledge`; the services turn them into problems a person can read.
"""

from __future__ import annotations

from pathlib import Path


class KnowledgeError(Exception):
    """
    Say what is wrong with the handbook, the rules, an index or an encoder, and where.

    Args:
        problem: What is wrong, without any text a parent wrote.
        line: Counted from 1.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: Path | str | None = None,
        line: int | None = None,
        field: str | None = None,
    ) -> None:
        self.problem = problem
        self.file = None if file is None else Path(file)
        self.line = line
        self.field = field
        super().__init__(str(self))

    def __str__(self) -> str:
        place = "" if self.file is None else str(self.file)
        if self.line is not None:
            place += f":{self.line}"
        parts = [place, self.field or "", self.problem]
        return ": ".join(part for part in parts if part)


class EntryError(KnowledgeError):
    """A handbook file that cannot become an entry."""


class EncoderError(KnowledgeError):
    """An encoder that cannot be read, built or run."""


class IndexDamaged(KnowledgeError):
    """A saved index that is broken or belongs to another corpus or another encoder."""
