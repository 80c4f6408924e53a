"""`xinqing bench desk`: one simulated day at the desk, and who waits how long, by level.

Called by `bot.cli.bench` and by tests. Parents arrive through a day with an evening; counselors are
on the phone one at a time and, when they hang up, take the next. The cases are real rows, opened
and accepted by the services of the desk, under a clock that is set; the order is the desk's own
queue. Beside it, on the same arrivals and the same lengths of talk: first in, first out, and
dealing out in turn. Lengths are guesses: 12356 in 苏州 gives 20 minutes as a rule and 40 to 60 in a
crisis; the milder ones are shorter here, because they are mostly written.
"""

import heapq
import os
import random
import tempfile
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol, Self

from sqlalchemy.ext.asyncio import AsyncSession

from bot.bench.databases import engine_version, own_database
from bot.bench.measure import machine, percentile
from bot.core.levels import rank
from bot.core.phrases import load_alerts
from bot.db import crypto
from bot.db.engine import Database, make_engine
from bot.db.migrate import migrate
from bot.db.models import Contact, Staff
from bot.services import cases, desk, places
from bot.services.alerts import AlertPolicy
from bot.services.cases import Cause
from bot.services.staff import StaffView

# Midnight of a Monday in China.
MIDNIGHT = datetime(2026, 11, 22, 16, 0, tzinfo=UTC)
DAY = timedelta(days=1)
# Shares of the arrivals by hour of the day: nights are thin, evenings full.
HOURS = (2, 1, 1, 1, 1, 1, 2, 4, 5, 5, 5, 5, 6, 5, 5, 5, 6, 7, 8, 10, 12, 12, 9, 5)
# Level: share of the arrivals, mean minutes of talk. `0` is a parent who asks for a person.
LEVELS = {"0": (0.45, 4.0), "2": (0.38, 9.0), "3": (0.14, 20.0), "3!": (0.03, 40.0)}
# Spread of the lengths: the standard deviation of their logarithm.
SPREAD = 0.6
CATEGORY = {"0": (), "2": ("SI-P",), "3": ("SI-PL",), "3!": ("SI-AT",)}
# Within which a person has to accept (DOMAIN §2.2).
WITHIN = {"3!": timedelta(minutes=1), "3": timedelta(minutes=5), "2": timedelta(minutes=30)}


@dataclass(frozen=True, slots=True)
class Arrival:
    """One parent: when, at which level, and how long the talk will be."""

    number: int
    at: datetime
    level: str
    lasts: timedelta


def arrivals(seed: int, many: int) -> list[Arrival]:
    """Return a day of arrivals in their order; the same seed gives the same day."""
    dice = random.Random(seed)
    hours = sorted(hour + dice.random() for hour in dice.choices(range(24), weights=HOURS, k=many))
    shares = [share for share, _ in LEVELS.values()]
    levels = dice.choices(list(LEVELS), weights=shares, k=many)
    return [
        Arrival(number, MIDNIGHT + timedelta(hours=hour), level, _talk(dice, level))
        for number, (hour, level) in enumerate(zip(hours, levels, strict=True))
    ]


def _talk(dice: random.Random, level: str) -> timedelta:
    """Draw a length whose mean is that of the level."""
    mean = LEVELS[level][1]
    return timedelta(minutes=mean * dice.lognormvariate(-(SPREAD**2) / 2, SPREAD))


class Order(Protocol):
    """In which order cases are taken."""

    def arrived(self, case_id: int) -> None:
        """Take note of a new case."""
        ...

    async def pick(self, session: AsyncSession, who: int, now: datetime) -> int | None:
        """Return the case that this counselor takes next; None: nobody waits for them."""
        ...


class MostUrgent:
    """The desk's own queue, as each counselor's page shows it."""

    def __init__(self, people: Sequence[StaffView]) -> None:
        self._people = people

    def arrived(self, case_id: int) -> None:
        """Nothing to do: the queue reads the cases themselves."""

    async def pick(self, session: AsyncSession, who: int, now: datetime) -> int | None:
        """Return what stands first on the page of this counselor."""
        shown = await desk.queue(session, self._people[who], now=now)
        return shown.open[0].case_id if shown.open else None


class FirstIn:
    """First in, first out, whatever it is."""

    def __init__(self, people: Sequence[StaffView]) -> None:
        self._line: deque[int] = deque()

    def arrived(self, case_id: int) -> None:
        """Stand at the end of the line."""
        self._line.append(case_id)

    async def pick(self, session: AsyncSession, who: int, now: datetime) -> int | None:
        """Return whoever has waited longest."""
        return self._line.popleft() if self._line else None


class InTurn:
    """Round robin: each arrival is dealt to the next counselor, free or not."""

    def __init__(self, people: Sequence[StaffView]) -> None:
        self._lines: list[deque[int]] = [deque() for _ in people]
        self._dealt = 0

    def arrived(self, case_id: int) -> None:
        """Stand at the end of the next counselor's line."""
        self._lines[self._dealt % len(self._lines)].append(case_id)
        self._dealt += 1

    async def pick(self, session: AsyncSession, who: int, now: datetime) -> int | None:
        """Return the first of this counselor's own line."""
        return self._lines[who].popleft() if self._lines[who] else None


Make = Callable[[Sequence[StaffView]], Order]
ORDERS: Mapping[str, Make] = {
    "the desk's queue": MostUrgent,
    "first in, first out": FirstIn,
    "in turn": InTurn,
}


async def bench_desk(*, seed: int, many: int, counselors: int, database: str) -> dict[str, object]:
    """Play one day in each order and return how long each level waited for a person."""
    day = arrivals(seed, many)
    crypto.install(crypto.KeyRing([("bench", os.urandom(32))]))
    found = {}
    for name, order in ORDERS.items():
        with (
            tempfile.TemporaryDirectory() as folder,
            own_database(database, Path(folder)) as address,
        ):
            waited = await _play(address, day, counselors, order)
        found[name] = _figures(day, waited)
    work = sum((one.lasts for one in day), timedelta())
    return {
        "bench": "desk",
        "seed": seed,
        "arrivals": many,
        "counselors": counselors,
        "load": round(work / (counselors * DAY), 2),
        "time_to_first_take": found,
        "engine": engine_version(database),
        "machine": machine(),
    }


async def _play(
    address: str,
    day: Sequence[Arrival],
    counselors: int,
    order: Make,
) -> dict[int, timedelta]:
    """Return for each arrival how long it waited until a person took it."""
    database = Database(make_engine(address))
    try:
        await migrate(database)
        play = await _Play.begin(database, counselors, order)
        return await play.run(day)
    finally:
        await database.close()


class _Play:
    """One day in one order."""

    def __init__(
        self, database: Database, place: int, people: Sequence[StaffView], order: Order
    ) -> None:
        self._database = database
        self._place = place
        self._people = people
        self._order = order
        self._policy = AlertPolicy([], load_alerts(), "http://desk.invalid/desk")
        self._of_case: dict[int, Arrival] = {}
        self._idle = deque(range(len(people)))
        self._busy: list[tuple[datetime, int]] = []
        self._waited: dict[int, timedelta] = {}

    @classmethod
    async def begin(
        cls,
        database: Database,
        counselors: int,
        order: Make,
    ) -> Self:
        """Make a school with its counselors."""
        async with database.write() as session:
            home = await places.add(session, kind="district", name="晴川区", parent=None)
            school = await places.add(session, kind="school", name="晴川一小", parent=home)
            people = []
            for number in range(counselors):
                person = Staff(
                    login=f"desk{number}", name=f"{number}", password_hash="", created_at=MIDNIGHT
                )
                session.add(person)
                await session.flush()
                held = {"counselor": frozenset({school.id})}
                people.append(StaffView(person.id, person.login, person.name, False, held))
            return cls(database, school.id, people, order(people))

    async def run(self, day: Sequence[Arrival]) -> dict[int, timedelta]:
        """Let everybody arrive and be taken."""
        for arrival in day:
            await self._until(arrival.at)
            await self._open(arrival)
            await self._take_all(arrival.at)
        await self._until(MIDNIGHT + 30 * DAY)
        return self._waited

    async def _until(self, moment: datetime) -> None:
        """Let whoever hangs up before a moment take the next."""
        while self._busy and self._busy[0][0] <= moment:
            ends_at, who = heapq.heappop(self._busy)
            self._idle.append(who)
            await self._take_all(ends_at)

    async def _open(self, arrival: Arrival) -> None:
        async with self._database.write() as session:
            contact = Contact(
                channel="wechat",
                account="bench",
                external_id=f"bench{arrival.number}",
                place_id=self._place,
                created_at=arrival.at,
                last_incoming_at=arrival.at,
                window_until=arrival.at + DAY,
            )
            session.add(contact)
            await session.flush()
            cause = Cause(arrival.level, CATEGORY[arrival.level], "", "child")
            case = await cases.open_or_raise(
                session, self._policy, contact, None, cause, now=arrival.at
            )
        self._of_case[case.id] = arrival
        self._order.arrived(case.id)

    async def _take_all(self, now: datetime) -> None:
        """Let everybody who is free take what is next for them."""
        for who in tuple(self._idle):
            async with self._database.write() as session:
                case_id = await self._order.pick(session, who, now)
                if case_id is not None:
                    await cases.accept(session, self._people[who], case_id, now=now)
            if case_id is not None:
                arrival = self._of_case[case_id]
                self._waited[arrival.number] = now - arrival.at
                self._idle.remove(who)
                heapq.heappush(self._busy, (now + arrival.lasts, who))


def _figures(day: Sequence[Arrival], waited: dict[int, timedelta]) -> dict[str, object]:
    """Return minutes of waiting by level, and how many were taken within their clock."""
    found: dict[str, object] = {}
    for level in sorted(LEVELS, key=rank, reverse=True):
        mine = [waited[one.number] for one in day if one.level == level]
        minutes = [length.total_seconds() / 60 for length in mine]
        figures: dict[str, object] = {"arrivals": len(mine)}
        if minutes:
            figures["p50_min"] = round(percentile(minutes, 0.5), 1)
            figures["p90_min"] = round(percentile(minutes, 0.9), 1)
            figures["max_min"] = round(max(minutes), 1)
        if level in WITHIN and mine:
            figures["in_time"] = sum(length <= WITHIN[level] for length in mine)
        found[level] = figures
    return found
