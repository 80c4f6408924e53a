"""Has this process answer by the handbook as its files stand now.

Called by `bot.upkeep` every second or so. What changed is read, checked and indexed in a thread,
while the one before goes on answering; then it is put in its place in one assignment. A handbook
with errors leaves the one before in force, and the operator is told.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from bot.core.clock import Clock
from bot.db.engine import Database
from bot.services import alarms
from bot.services.alerts import AlertPolicy
from bot.services.answers import Answers, Book
from knowledge.loader import Handbook
from knowledge.problems import Problem
from knowledge.retrieval import Retriever

log = structlog.get_logger(__name__)

ALARM = "handbook_invalid"


class Shelf(Protocol):
    """Where the handbook's files lie. The wiring has the real one; all calls come from threads."""

    opened: str
    """The mark of what was in force at the start."""

    def mark(self) -> str:
        """Return what changes with any of the files, from their names, sizes and times alone."""
        ...

    def read(self) -> Handbook:
        """Return the entries and what was wrong with the files."""
        ...

    def errors(self, handbook: Handbook, before: Handbook) -> Sequence[Problem]:
        """Return what keeps a changed handbook from being used."""
        ...

    def index(self, handbook: Handbook) -> Retriever:
        """Return the search over it."""
        ...


class HandbookInForce:
    """Follows the files for one process.

    Args:
        shelf: None where the answers come from elsewhere: then nothing is followed.

    Attributes:
        problem: why the files as they stand are not in force; None: they are.
        taken: how many changes have been taken over.
    """

    def __init__(
        self, database: Database, clock: Clock, answers: Answers, shelf: Shelf | None
    ) -> None:
        self.problem: str | None = summary(answers.handbook.problems)
        self.taken = 0
        self._database = database
        self._clock = clock
        self._answers = answers
        self._shelf = shelf
        self._mark = shelf.opened if shelf is not None else ""

    async def follow(self, policy: AlertPolicy | None) -> None:
        """Look once, and take over what has changed since the last look."""
        shelf = self._shelf
        if shelf is None or (mark := await asyncio.to_thread(shelf.mark)) == self._mark:
            return
        try:
            made = await asyncio.to_thread(self._make, shelf, mark)
        except Exception as error:
            # A school's own files are read here: nothing in them may end the service.
            made = f"can't be read or indexed ({type(error).__name__})"
        if made is None:
            return
        if isinstance(made, Book):
            self._answers.take(made)
            self.problem = None
            self.taken += 1
            log.info("handbook_taken", entries=len(made.handbook.entries))
        else:
            self.problem = f"{made}; the one before stays in force"
            log.error("handbook_unusable", problem=self.problem)
            await self._tell(policy)
        # Last: what could not be told is tried again at the next look.
        self._mark = mark

    def _make(self, shelf: Shelf, mark: str) -> Book | str | None:
        """Return the book, or what is wrong; nothing while the files are being written."""
        handbook, before = shelf.read(), self._answers.handbook
        if shelf.mark() != mark:
            return None
        errors = shelf.errors(handbook, before)
        return summary(errors) or Book(handbook, shelf.index(handbook))

    async def _tell(self, policy: AlertPolicy | None) -> None:
        async with self._database.write() as session:
            await alarms.raise_alarm(session, ALARM, now=self._clock.now(), policy=policy)


def summary(problems: Sequence[Problem]) -> str | None:
    """Return how many errors there are and where the first is; nothing without an error."""
    errors = [found for found in problems if found.severity == "error"]
    if not errors:
        return None
    first = errors[0]
    return f"{len(errors)} errors, the first in {first.file.name}:{first.line} ({first.field})"
