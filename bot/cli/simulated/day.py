"""A whole day of parents against the built house, in one process and in about a minute.

The clock stands still but for the plan's moments, so what is measured in seconds is simulated time;
computing costs none of it. Callbacks go through the real routes, Stream frames through the real
client and the fake gateway's own route, the worker runs the real jobs one at a time. Called by
`bot.cli.simulate` and by tests.
"""

import heapq
import itertools
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.applications import Starlette

from bot.bench.databases import plain_engine
from bot.cli.simulated import house as parts
from bot.cli.simulated.people import Act, People
from bot.cli.simulated.process import DayProcess
from bot.core.clock import SHANGHAI
from bot.core.errors import XinqingError
from bot.db.crypto import new_key
from bot.db.models import Case
from bot.db.models.case import ACCEPTED, OPEN
from bot.services import cases, judging, staff
from bot.services.staff import StaffView
from bot.simulator.day.clock import DayClock
from bot.simulator.day.ledger import Ledger
from bot.simulator.day.plan import DAY_SECONDS, Breakage, Plan, Trouble
from bot.simulator.day.platform import DayPlatform
from bot.simulator.day.tally import Day, Seen, tally
from bot.simulator.dingtalk_server import FakeDingtalk, make_fake_dingtalk
from bot.simulator.platform import Fault
from bot.simulator.wechat_server import make_fake_wechat

MIDNIGHT = datetime(2026, 11, 23, tzinfo=SHANGHAI)
LOOK_SECONDS = (300.0, 2400.0)
CLOSE_AFTER = timedelta(hours=3)
DRAIN = timedelta(hours=3)
KILLED_FOR = (4.0, 13.0)
COUNSELORS, DISTRICT = ("counselor1", "counselor2"), "district"


class SimulatedDay:
    """Plays one plan.

    Args:
        folder: an empty folder for data and index.
        database_url: an empty database.
        progress: told after each message how many have been played.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        folder: Path,
        database_url: str,
        progress: Callable[[int], object] = lambda _done: None,
    ) -> None:
        self.plan = plan
        self.seen = [Seen(planned) for planned in plan.messages]
        self.clock = DayClock(MIDNIGHT)
        self.platform = DayPlatform(self.clock)
        self.dingtalk = FakeDingtalk(self.platform)
        self.broke: Counter[str] = Counter()
        self._keys = new_key("day")
        self._url = database_url
        self._settings = parts.make_day_settings(folder, database_url, self._keys)
        self._progress = progress
        self._random = Random(plan.seed)
        self._events: list[tuple[datetime, int, Act]] = []
        self._order = itertools.count()

    async def run(self) -> dict[str, Any]:
        """Play the day, mend everything, wait for the last reply, and count."""
        self._process = DayProcess(
            self._settings,
            clock=self.clock,
            platform=self.platform,
            platforms=self._make_platforms(),
            random=self._random,
        )
        self._people = People(
            self._process, self.dingtalk, self.clock, later=self._later, kill=self._kill
        )
        await self._process.first_start()
        try:
            self._schedule()
            await self._play()
            await self._drain()
        finally:
            await self._process.stop()
            await self._people.close()
        return self._count()

    def _make_platforms(self) -> Starlette:
        self.platform.add_app(parts.WECHAT.app_id, parts.WECHAT_SECRET)
        for key in parts.DUTY_GROUPS.values():
            self.platform.add_robot(key)
        for robot in parts.ROBOTS.values():
            self.dingtalk.add_robot(robot.app_key, robot.app_secret, robot.robot_code)
        self.dingtalk.groups |= {one.group for one in self.plan.messages if one.group}
        fakes = (make_fake_wechat(self.platform), make_fake_dingtalk(self.dingtalk))
        return Starlette(routes=[route for fake in fakes for route in fake.routes])

    # The course of the day ----------------------------------------------------------------------

    def _schedule(self) -> None:
        for number, seen in enumerate(self.seen):
            self._at(seen.planned.at, self._message(seen, number))
        for trouble in self.plan.troubles:
            self._at(trouble.at, self._breakage(trouble))
        looked = 0.0
        while looked < DAY_SECONDS:
            looked += self._random.uniform(*LOOK_SECONDS)
            self._at(looked, self._look_at_desk)

    def _message(self, seen: Seen, number: int) -> Act:
        async def act() -> None:
            await self._people.write(seen)
            self._progress(number + 1)

        return act

    def _breakage(self, trouble: Trouble) -> Act:
        async def act() -> None:
            await self._begin(trouble)

        return act

    def _at(self, seconds: float, act: Act) -> None:
        moment = MIDNIGHT + timedelta(seconds=seconds)
        heapq.heappush(self._events, (moment, next(self._order), act))

    def _later(self, seconds: float, act: Act) -> None:
        self._at((self.clock.now() - MIDNIGHT).total_seconds() + seconds, act)

    async def _play(self) -> None:
        while self._events:
            moment, _, act = heapq.heappop(self._events)
            await self._pass_until(moment)
            await act()
            await self._process.settle()
            await self._process.work()

    async def _pass_until(self, moment: datetime) -> None:
        """Let time pass, stopping wherever the service would do something by itself."""
        while (wake := await self._next_wake()) is not None and wake < moment:
            await self._move_to(wake)
        await self._move_to(moment)

    async def _move_to(self, moment: datetime) -> None:
        self.clock.advance_to(moment)
        await self._process.settle()
        await self._process.work()

    async def _next_wake(self) -> datetime | None:
        wakes = (self.clock.next_wake(), await self._process.next_wake())
        return min((wake for wake in wakes if wake is not None), default=None)

    async def _drain(self) -> None:
        """Mend everything and wait until no reply is open and no message unanswered."""
        self.platform.heal()
        self.platform.end_outage([path for one in self.plan.troubles for path in one.paths])
        self.dingtalk.calls_per_month = None
        self._process.table.lasts = False
        if self._process.house is None:
            await self._process.start()
        await self._look_at_desk()
        end = self.clock.now() + DRAIN
        while self.clock.now() < end and await self._process.is_busy():
            wake = await self._next_wake()
            await self._move_to(end if wake is None else min(end, wake))

    async def _look_at_desk(self) -> None:
        """Let counselors accept what is open, and close what was accepted some hours ago."""
        house, now = self._process.house, self.clock.now()
        if house is None:
            return
        with suppress(OperationalError, XinqingError):
            async with house.services.database.write() as session:
                for case in (await session.scalars(select(Case).order_by(Case.id))).all():
                    by = await self._whose(session, case, now)
                    if case.state == OPEN:
                        await cases.accept(session, by, case.id, now=now)
                    elif case.state == ACCEPTED and now - (case.accepted_at or now) > CLOSE_AFTER:
                        reason, note = "safe_with_plan", "simulated"
                        policy = house.services.policy
                        await judging.judge(
                            session, policy, by, case, level="1", reason=note, now=now
                        )
                        await cases.close(session, by, case.id, reason=reason, note=note, now=now)

    async def _whose(self, session: AsyncSession, case: Case, now: datetime) -> StaffView:
        """Return who works on a case: one of the school's counselors, or the district."""
        for login in COUNSELORS:
            seen = await staff.view(session, await staff.by_login(session, login), now)
            if case.place_id in seen.at("counselor"):
                return seen
        return await staff.view(session, await staff.by_login(session, DISTRICT), now)

    # What breaks --------------------------------------------------------------------------------

    async def _begin(self, trouble: Trouble) -> None:
        self.broke[trouble.kind.value] += 1
        gateway, app_key = self.dingtalk.gateway, parts.ROBOTS[parts.STREAM_ROBOT].app_key
        match trouble.kind:
            case Breakage.OUTAGE | Breakage.WEBHOOK if trouble.fault is not None:
                self.platform.begin_outage(trouble.paths, trouble.fault)
                self._later(trouble.seconds, lambda: self._mend(trouble))
            case Breakage.BUSY:
                self.platform.fail(trouble.paths[0], Fault.BUSY)
            case Breakage.QUOTA:
                self.dingtalk.calls_per_month = 0
            case Breakage.DATABASE:
                self._process.table.lasts = True
                self._later(trouble.seconds, lambda: self._mend(trouble))
            case Breakage.RESTART if self._process.house is not None:
                await self._process.stop()
                self._later(trouble.seconds, self._process.start)
            case Breakage.ASKED | Breakage.HUNG_UP:
                await gateway.disconnect(app_key, hang_up=trouble.kind is Breakage.HUNG_UP)
            case Breakage.DROPPED:
                await gateway.drop(app_key)

    async def _mend(self, trouble: Trouble) -> None:
        self.platform.end_outage(trouble.paths)
        if trouble.kind is Breakage.DATABASE:
            self._process.table.lasts = False

    async def _kill(self) -> None:
        if self._process.house is None:
            return
        self.broke["kill"] += 1
        await self._process.kill()
        self._later(self._random.uniform(*KILLED_FOR), self._process.start)

    # The count ----------------------------------------------------------------------------------

    def _count(self) -> dict[str, Any]:
        self._people.note_acknowledged()
        ledger = Ledger.read(plain_engine(self._url), self._keys)
        sent, unheard = list(self.platform.sent), self.platform.unheard
        day = Day(self.seen, ledger, sent, unheard, self._process.unmarked)
        gateway = self.dingtalk.gateway
        return {
            "simulated": "day",
            "seed": self.plan.seed,
            **tally(day),
            "broke": dict(sorted(self.broke.items())),
            "calls_hit": dict(sorted(self.platform.hit.items())),
            "writes_refused": self._process.table.refused,
            "stream": {"connections": gateway.opened, "redelivered": gateway.redelivered},
        }
