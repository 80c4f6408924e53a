"""Trouble at the doors: an operator's alarm for what a platform sent and nobody could read.

Used by the callback route and by Stream connections. Who floods a door is refused each time, but
writes one alarm row a minute.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

from bot.services import alarms
from bot.services.container import Services

log = structlog.get_logger(__name__)

PAUSE = timedelta(minutes=1)


class Trouble:
    """Raises alarms for accounts."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._raised: dict[tuple[str, ...], datetime] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._owed: set[tuple[str, tuple[str, str]]] = set()

    async def alarm(self, kind: str, account: tuple[str, str]) -> None:
        """Raise an alarm for one account; a database that fails costs the alarm, nothing else.

        Args:
            kind: a code such as `callback_unreadable`.
            account: channel and account.
        """
        services = self._services
        now = services.clock.now()
        last = self._raised.get((kind, *account), datetime.min.replace(tzinfo=UTC))
        if now - last < PAUSE:
            return
        self._raised[kind, *account] = now
        try:
            async with services.database.write() as session:
                await alarms.raise_alarm(
                    session, kind, now=now, subject="/".join(account), policy=services.policy
                )
        except Exception as error:
            # The refusal counts; with the database down the log has to do.
            log.error("alarm_failed", alarm=kind, error=type(error).__name__)

    def owe(self, kind: str, account: tuple[str, str]) -> None:
        """Remember an alarm that can't be written now, because the database fails."""
        self._owed.add((kind, account))

    async def settle(self) -> None:
        """Write what is owed; called again and again, what fails stays owed."""
        services = self._services
        for kind, account in sorted(self._owed):
            async with services.database.write() as session:
                await alarms.raise_alarm(
                    session,
                    kind,
                    now=services.clock.now(),
                    subject="/".join(account),
                    policy=services.policy,
                )
            self._owed.discard((kind, account))

    def of(self, channel: str, account: str) -> Callable[[str], None]:
        """Return what a connection calls, without waiting, when a frame can't be read."""

        def tell(_what: str) -> None:
            task = asyncio.create_task(self.alarm("callback_unreadable", (channel, account)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        return tell
