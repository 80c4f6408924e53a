"""The month's quota of a platform: counted, shown, warned of, and saved when it runs out.

DingTalk takes a number of API calls and of incoming messages a calendar month (China time) from a
whole organisation. `Meter` counts what this service uses: in memory, written to one table shared by
all processes every `FLUSH_SECONDS`, so a process that is killed loses what it counted since. Other
apps of the organisation use up the same quota and are not seen here; the platform's own refusal is.

Built by wiring; called by the channels' clients, the reception of messages and the delivery jobs,
and for its figures by `/admin` and `xinqing doctor`.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import structlog
from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import Clock, to_shanghai
from bot.db.engine import Database
from bot.db.models import QuotaUse
from bot.services import alarms
from bot.services.alerts import AlertPolicy

log = structlog.get_logger(__name__)

FLUSH_SECONDS = 3.0
WARN_PERCENT = (80, 95)
SCARCE_PERCENT = 95
# So long after a refusal only what is urgent tries again: somebody may have bought more meanwhile.
REFUSAL_LASTS = timedelta(hours=1)
# `code` of the error, and reason of the delivery, when a platform takes no more this month.
USED_UP = "quota"
# A rate taken from less than a day says nothing about the month.
LEAST_SPAN = timedelta(days=1)

Account = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Budget:
    """What one organisation, or one robot, may use a month; 0: no limit."""

    scope: str
    calls: int
    messages: int


@dataclass(frozen=True, slots=True)
class Usage:
    """One figure for the operator.

    Args:
        what: `calls` or `messages`.
        limit: 0 for none.
        ends_at: when nothing is left, going on as until now; None: not this month.
        refused_at: when the platform last said that nothing is left (calls only).
    """

    scope: str
    what: str
    used: int
    limit: int
    ends_at: datetime | None
    refused_at: datetime | None

    @property
    def percent(self) -> int:
        """Return the used part in whole per cent, rounded down; 0 without a limit."""
        return self.used * 100 // self.limit if self.limit else 0


class Room(StrEnum):
    """How freely calls may be made: at will, only what is urgent, or the platform takes none."""

    PLENTY = "plenty"
    SCARCE = "scarce"
    NONE = "none"


@dataclass(slots=True)
class _Count:
    calls: int = 0
    messages: int = 0


class Meter:
    """Counts what the accounts of this process use.

    Args:
        budgets: by (channel, account); an account without one is not counted.
        policy: whom alarms are posted to.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        policy: AlertPolicy,
        budgets: Mapping[Account, Budget],
    ) -> None:
        self._database = database
        self._clock = clock
        self._policy = policy
        self._budgets = dict(budgets)
        self._pending: dict[tuple[Budget, str], _Count] = {}
        self._writing: asyncio.Task[None] | None = None

    def calls_of(self, account: Account) -> Callable[[str], None]:
        """Return what a client calls for every call that counts against the quota."""

        def spent(_what: str) -> None:
            self._add(account, calls=1)

        return spent

    def heard(self, channel: str, account: str) -> None:
        """Count a message, an event or a click that the platform brought."""
        self._add((channel, account), messages=1)

    async def flush(self) -> None:
        """Write down what was counted; what can't be written is kept for the next time."""
        counted, self._pending = self._pending, {}
        if not counted:
            return
        try:
            async with self._database.write() as session:
                for (budget, month), count in sorted(counted.items(), key=lambda item: item[0][1]):
                    await self._store(session, budget, month, count)
        except Exception as error:
            for key, count in counted.items():
                kept = self._pending.setdefault(key, _Count())
                kept.calls += count.calls
                kept.messages += count.messages
            log.error("quota_not_written", error=type(error).__name__)

    async def close(self) -> None:
        """Write down the rest and stop."""
        if self._writing is not None:
            self._writing.cancel()
            with suppress(asyncio.CancelledError):
                await self._writing
        await self.flush()

    async def room(self, account: Account) -> Room:
        """Say how freely an account may call its platform now."""
        budget = self._budgets.get(account)
        if budget is None:
            return Room.PLENTY
        now = self._clock.now()
        month = month_of(now)
        async with self._database.read() as session:
            row = await _row(session, budget.scope, month)
        if row is not None and row.refused_at is not None and now - row.refused_at < REFUSAL_LASTS:
            return Room.NONE
        here = self._pending.get((budget, month), _Count()).calls
        used = here + (row.calls if row is not None else 0)
        scarce = budget.calls and used * 100 >= budget.calls * SCARCE_PERCENT
        return Room.SCARCE if scarce else Room.PLENTY

    async def refused(self, account: Account) -> None:
        """Record that the platform takes no more calls this month, and raise the alarm."""
        budget = self._budgets.get(account) or Budget("/".join(account), 0, 0)
        now = self._clock.now()
        async with self._database.write() as session:
            await self._ensure(session, budget.scope, month_of(now), now)
            await session.execute(
                update(QuotaUse)
                .where(QuotaUse.scope == budget.scope, QuotaUse.month == month_of(now))
                .values(refused_at=now)
            )
            await alarms.raise_alarm(
                session,
                "quota_exhausted",
                now=now,
                subject=f"{budget.scope}/calls",
                policy=self._policy,
            )

    def _add(self, account: Account, *, calls: int = 0, messages: int = 0) -> None:
        budget = self._budgets.get(account)
        if budget is None:
            return
        count = self._pending.setdefault((budget, month_of(self._clock.now())), _Count())
        count.calls += calls
        count.messages += messages
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write_soon())

    async def _write_soon(self) -> None:
        while self._pending:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()

    async def _store(
        self, session: AsyncSession, budget: Budget, month: str, count: _Count
    ) -> None:
        now = self._clock.now()
        await self._ensure(session, budget.scope, month, now)
        # Added by the database, so that two processes lose nothing and only one crosses a mark.
        result = await session.execute(
            update(QuotaUse)
            .where(QuotaUse.scope == budget.scope, QuotaUse.month == month)
            .values(calls=QuotaUse.calls + count.calls, messages=QuotaUse.messages + count.messages)
            .returning(QuotaUse.calls, QuotaUse.messages)
        )
        calls, messages = result.one()
        for what, used, fresh, limit in (
            ("calls", calls, count.calls, budget.calls),
            ("messages", messages, count.messages, budget.messages),
        ):
            for percent in crossed(used - fresh, used, limit):
                await alarms.raise_alarm(
                    session,
                    "quota_low",
                    now=now,
                    subject=f"{budget.scope}/{what}/{percent}",
                    policy=self._policy,
                )

    async def _ensure(self, session: AsyncSession, scope: str, month: str, now: datetime) -> None:
        insert = sqlite.insert if self._database.is_sqlite else postgresql.insert
        row = {"scope": scope, "month": month, "calls": 0, "messages": 0, "since": now}
        await session.execute(
            insert(QuotaUse).values(row).on_conflict_do_nothing(index_elements=["scope", "month"])
        )


def month_of(moment: datetime) -> str:
    """Return the calendar month in China, as the table names it (`2026-11`)."""
    return to_shanghai(moment).strftime("%Y-%m")


def next_month(now: datetime) -> datetime:
    """Return the first moment of the next month in China, when the quotas start anew."""
    first = to_shanghai(now).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


def crossed(before: int, after: int, limit: int) -> list[int]:
    """Return the warning marks, in per cent, that lie above `before` and not above `after`."""
    return [
        percent
        for percent in WARN_PERCENT
        if limit and before * 100 < limit * percent <= after * 100
    ]


def projected_end(used: int, limit: int, since: datetime, now: datetime) -> datetime | None:
    """Return when a limit is reached at the present rate; None: not before the month ends.

    Args:
        since: the first use this month.
    """
    if not limit or not used:
        return None
    if used >= limit:
        return now
    span = max(now - since, LEAST_SPAN)
    ends_at = now + span * ((limit - used) / used)
    return ends_at if ends_at < next_month(now) else None


async def usage(session: AsyncSession, budgets: Sequence[Budget], *, now: datetime) -> list[Usage]:
    """Return what was used this month of every budget; counted at most seconds ago."""
    found: list[Usage] = []
    for budget in sorted(set(budgets), key=lambda one: one.scope):
        row = await _row(session, budget.scope, month_of(now))
        since, refused = (row.since, row.refused_at) if row else (now, None)
        for what, used, limit in (
            ("calls", row.calls if row else 0, budget.calls),
            ("messages", row.messages if row else 0, budget.messages),
        ):
            ends_at = projected_end(used, limit, since, now)
            told = refused if what == "calls" else None
            found.append(Usage(budget.scope, what, used, limit, ends_at, told))
    return found


async def _row(session: AsyncSession, scope: str, month: str) -> QuotaUse | None:
    row: QuotaUse | None = await session.scalar(
        select(QuotaUse).where(QuotaUse.scope == scope, QuotaUse.month == month)
    )
    return row
