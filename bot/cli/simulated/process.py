"""One process of the simulated day after another: started, stopped, killed, and given its turns.

In place of the service's own loops `work` gives it its turn whenever the clock has been moved, and
`next_wake` says when it would do something by itself. Called by `bot.cli.simulated.day`.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

import httpx2
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.applications import Starlette

from bot.app import create_app
from bot.cli.simulated.house import ACCOUNT, GatedAnswers, StreamSide, TableOutage
from bot.config import Settings
from bot.db.migrate import migrate
from bot.db.models import Delivery, Message
from bot.db.models.delivery import PASSIVE, QUEUED, SENDING
from bot.jobs.claim import look
from bot.jobs.engines import dialect_named
from bot.services import demo
from bot.simulator.day.clock import DayClock
from bot.simulator.day.platform import DayPlatform, Door, Network
from bot.upkeep import prepare
from bot.wiring import House, build, make_answers, make_screen

SWEEP_SECONDS = 5.0
FINISH_SECONDS = 30.0
# The worker looks at the table twice a second at least; a lane at its limit is looked at sooner.
LEAST_WAIT = timedelta(milliseconds=50)
_ROUTING = (
    select(func.count())
    .select_from(Message)
    .where(Message.state == "stored", Message.answerable.is_(True))
)
_LEAVING = select(Delivery.id).where(Delivery.state == SENDING, Delivery.route == PASSIVE)


@dataclass(frozen=True, slots=True)
class _Look:
    """What there is to do: at once by the worker, by the sweep, and when something is due next."""

    due: bool
    orphans: bool
    next_at: datetime | None


class DayProcess:
    """The service, as far as it lives in one process at a time.

    Args:
        platforms: the fake platforms as one application.
        random: decides what the service leaves to chance.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: DayClock,
        platform: DayPlatform,
        platforms: Starlette,
        random: Random,
    ) -> None:
        self.door = Door()
        self.table = TableOutage()
        # Read once for all of the day's processes: a restart here is about what was not finished.
        self.answers = GatedAnswers(make_answers(settings))
        self.house: House | None = None
        self.unmarked: set[int] = set()
        self._screen = make_screen(settings)
        self._settings = settings
        self._clock = clock
        self._platform = platform
        self._platforms = platforms
        self._random = random
        self._kept = asyncio.all_tasks()
        self._stream: StreamSide | None = None
        self._streaming: asyncio.Task[None] | None = None

    async def first_start(self) -> None:
        """Start on an empty database: make tables, places, staff and hotlines."""
        house = self._build()
        database = house.services.database
        await migrate(database)
        async with database.write() as session:
            await demo.seed(session, account=ACCOUNT, now=self._clock.now())
        await self._start(house)

    async def start(self) -> None:
        """Start again, and note which replies the last process had not marked as left."""
        house = self._build()
        async with house.services.database.read() as session:
            self.unmarked |= set(await session.scalars(_LEAVING))
        self.answers.gate.set()
        await self._start(house)

    def _build(self) -> House:
        return build(
            self._settings,
            self._clock,
            answers=self.answers,
            screen=self._screen,
            transport=Network(httpx2.ASGITransport(self._platforms), self._platform),
            random=self._random,
        )

    async def _start(self, house: House) -> None:
        await prepare(house)
        self.table.attach(house.services.database.engine)
        self._stream = StreamSide(house, self._clock, self._platforms, self._random)
        self._streaming = asyncio.create_task(self._stream.client.run(), name="stream")
        self.house = house
        self.door.inside = httpx2.ASGITransport(create_app(house))
        await self.settle()

    async def stop(self) -> None:
        """Stop as a service does that is told to: nothing is left half done."""
        house, self.house, self.door.inside = self.house, None, None
        if house is None or self._stream is None or self._streaming is None:
            return
        await self._stream.client.stop()
        await self._streaming
        await house.reception.finish(FINISH_SECONDS)
        await house.handover.flush()
        await house.close()

    async def kill(self) -> None:
        """Be gone in the middle: every task of the process ends where it stands."""
        house, self.house, self.door.inside = self.house, None, None
        if house is None or self._stream is None:
            return
        spared = self._kept | {line.task for line in self._stream.lines} | {asyncio.current_task()}
        tasks = asyncio.all_tasks() - spared
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._stream.cut()
        await house.services.database.close()
        for channel in house.channels.values():
            await channel.close()
        for sender in house.senders.values():
            await sender.close()

    # Turns --------------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Wait, in real time, until nothing is under way inside this process."""
        quiet = 0
        while quiet < 2:
            for _ in range(50):
                await asyncio.sleep(0)
            if self._stream is not None and not self._stream.idle:
                quiet = 0
                await asyncio.sleep(0.001)
                continue
            if self.house is not None:
                await self.house.reception.finish(FINISH_SECONDS)
                await self.house.handover.flush()
            quiet += 1

    async def work(self) -> None:
        """Sweep and run due jobs, as the service's loops do; a failing table costs the round."""
        if self.house is None:
            return
        with suppress(OperationalError):
            if (await self._look()).orphans:
                await self.house.deliverer.sweep()
            if (await self._look()).due:
                await self.house.worker.run_due()

    async def next_wake(self) -> datetime | None:
        """Return when this process does something next; None when it waits for others."""
        if self.house is None:
            return None
        seen, now = await self._look(), self._clock.now()
        wakes = [seen.next_at] if seen.next_at is not None else []
        if seen.due and not self.table.lasts:
            wakes.append(now + LEAST_WAIT)
        if seen.orphans:
            wakes.append(now + timedelta(seconds=SWEEP_SECONDS))
        return min(wakes, default=None)

    async def _look(self) -> _Look:
        assert self.house is not None
        database = self.house.services.database
        dialect = dialect_named(database.engine.dialect.name)
        async with database.read() as session:
            plan = await look(session, dialect, self._clock)
            orphans = await _has_orphans(session)
        next_at = None
        if plan.next_in_ms is not None:
            wait = max(LEAST_WAIT, timedelta(milliseconds=plan.next_in_ms))
            next_at = self._clock.now() + wait
        return _Look(bool(plan.chores or plan.lanes), orphans, next_at)

    async def is_busy(self) -> bool:
        """Say whether a message is unanswered or a reply or alert has not come to an end."""
        assert self.house is not None
        async with self.house.services.database.read() as session:
            waiting = select(func.count()).select_from(Delivery)
            open_ = await session.scalar(waiting.where(Delivery.state.in_((QUEUED, SENDING))))
            return bool(open_) or await _has_orphans(session)


async def _has_orphans(session: AsyncSession) -> bool:
    return bool(await session.scalar(_ROUTING) or await session.scalar(_LEAVING.limit(1)))
