"""Notices between processes: what one has committed, the others hear at once (PostgreSQL).

`notify` is called inside the transaction that changed something; at its commit every process that
hears the topic is woken. A notice carries no data and may be lost with its connection, so whoever
hears also looks by itself now and then. One connection of each process listens, while somebody
hears. On SQLite nothing is sent: there, looking is all. Called by `bot.jobs` and by services.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from random import Random
from typing import TypeAlias

import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from bot.db.postgresql import connect_options

CHANNEL = "xinqing"
FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 5.0
# A connection that has been silent for so long is asked whether it still lives.
# How the server names this connection, for whoever looks at what is connected.
LISTENER = "xinqing-notices"
SILENT_SECONDS = 15.0
ANSWER_SECONDS = 5.0
_log = structlog.get_logger(__name__)

Wake: TypeAlias = Callable[[], None]


class Topic(StrEnum):
    """What a notice is about: a job to take, a change on the desk, something newly published."""

    JOB = "job"
    DESK = "desk"
    PUBLISHED = "published"


async def notify(session: AsyncSession, topic: Topic) -> None:
    """Send a notice when this transaction commits; PostgreSQL folds equal ones into one."""
    if session.get_bind().dialect.name == "postgresql":
        await session.execute(select(func.pg_notify(CHANNEL, topic.value)))


class Notices:
    """The ear of one process."""

    def __init__(self, engine: AsyncEngine, random: Random | None = None) -> None:
        self._engine = engine
        self._random = random or Random()
        self._wakes: defaultdict[str, list[Wake]] = defaultdict(list)
        self._ear: asyncio.Task[None] | None = None
        self._up = False

    @property
    def listening(self) -> bool:
        """Tell whether the connection stands."""
        return self._up

    def hear(self, topic: Topic, wake: Wake) -> Callable[[], None]:
        """Have `wake` called at every notice of a topic, and whenever some may have been missed.

        Returns:
            What ends it; the last one to leave ends the connection.
        """
        if self._engine.dialect.name != "postgresql":
            return lambda: None
        wakes = self._wakes[topic.value]
        wakes.append(wake)
        if self._ear is None:
            self._ear = asyncio.create_task(self._keep_listening(), name="notices")
        elif self._up:
            wake()

        def leave() -> None:
            with suppress(ValueError):
                wakes.remove(wake)
            if not any(self._wakes.values()):
                self._end()

        return leave

    async def close(self) -> None:
        """End the connection."""
        self._wakes.clear()
        if ear := self._end():
            await asyncio.wait({ear})

    def _end(self) -> asyncio.Task[None] | None:
        ear, self._ear = self._ear, None
        self._up = False
        if ear is not None:
            ear.cancel()
        return ear

    async def _keep_listening(self) -> None:
        failures = 0
        while True:
            try:
                await self._listen()
            except Exception as error:
                failures = 0 if self._up else min(failures + 1, 10)
                _log.warning("notices.not_listening", error=type(error).__name__)
            self._up = False
            wait = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2**failures)
            await asyncio.sleep(wait * self._random.uniform(0.5, 1.0))

    async def _listen(self) -> None:
        """Listen on a connection of its own until it breaks.

        Source: https://www.psycopg.org/psycopg3/docs/advanced/async.html (notifications).
        """
        from psycopg import AsyncConnection

        url = self._engine.url
        address = url.set(drivername="postgresql").render_as_string(hide_password=False)
        async with await AsyncConnection.connect(
            address, autocommit=True, **connect_options(url) | {"application_name": LISTENER}
        ) as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            self._up = True
            for topic in self._wakes:
                self._ring(topic)
            while True:
                async for notice in connection.notifies(timeout=SILENT_SECONDS):
                    self._ring(notice.payload)
                async with asyncio.timeout(ANSWER_SECONDS):
                    await connection.execute("SELECT 1")

    def _ring(self, topic: str) -> None:
        for wake in list(self._wakes.get(topic, ())):
            wake()
