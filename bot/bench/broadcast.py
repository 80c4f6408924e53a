"""`xinqing bench broadcast`: a notice to a whole school, with a worker killed in the middle.

Two real worker processes send through the lanes' own limits to fake platforms on loopback, which
count what each person got. Called by `bot.cli.bench`.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, text

from bot.bench.broadcast_people import Families, make_families
from bot.bench.databases import SQLITE, engine_version, plain_engine
from bot.bench.measure import load, machine
from bot.bench.processes import ACCOUNT, NotStarted, Process
from bot.bench.sends import most_within
from bot.bench.stage import Stage, open_stage
from bot.core.clock import Clock, SystemClock
from bot.db import crypto
from bot.db.engine import Database, make_engine
from bot.services import notices, staff
from bot.simulator.platform import FakePlatform
from bot.upkeep import CHANNEL_LANES

WORKERS = 2
LEASE_SECONDS = 20.0
POLL_SECONDS = 0.1
UP_SECONDS = 120.0
# What a lane's limit leaves for, and for a machine that others use too.
SPARE = 4.0
WAYS = {"custom": "wechat", "dingtalk-person": "dingtalk"}
_UP = text("SELECT count(*) FROM lane WHERE name IN ('wechat:demo', 'dingtalk:demo')")
_NOTICE = text("SELECT state FROM notice")
_STATES = text("SELECT state, count(*) FROM delivery WHERE notice_id IS NOT NULL GROUP BY state")
_LEFT = text(
    "SELECT count(*) FROM job WHERE kind IN ('notice.send', 'notice.batch', 'notice.expand')"
    " AND state IN ('ready', 'sched', 'leased')"
)
_UNKNOWN_CALLS = text("SELECT count(*) FROM job WHERE state = 'unknown'")
_PEOPLE = text(
    "SELECT contact.external_id, delivery.state FROM delivery"
    " JOIN contact ON contact.id = delivery.contact_id WHERE delivery.notice_id IS NOT NULL"
)
TITLE, BODY = "家长会", "周五下午两点在教室开家长会，请回复收到。"


class Counting(FakePlatform):
    """A platform that counts what each person got, and when, however many they are."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.got: Counter[str] = Counter()
        self.times: defaultdict[str, list[float]] = defaultdict(list)

    def record(self, kind: str, recipient: str, text: str, payload: dict[str, Any]) -> None:
        """Count it."""
        super().record(kind, recipient, text, payload)
        if kind in WAYS:
            self.got[recipient] += 1
            # A lane's limit is one of calls, and a call to DingTalk's robot is for up to 20 people.
            if payload.get("userIds", [recipient])[0] == recipient:
                self.times[WAYS[kind]].append(time.monotonic())


@dataclass(frozen=True, slots=True)
class _Run:
    """One broadcast under way."""

    stage: Stage
    platform: Counting
    families: Families
    workers: tuple[Process, ...]
    lease: float

    def ask(self, read: Callable[[Connection], Any]) -> Any:
        """Read something out of the database from outside."""
        with plain_engine(self.stage.house.database).connect() as connection:
            return read(connection)

    async def until(self, enough: Callable[[], bool], seconds: float) -> float:
        """Wait until it is so and return how long that took.

        Raises:
            NotStarted: it took too long.
        """
        start = time.monotonic()
        while not enough():
            if time.monotonic() - start > seconds:
                raise NotStarted("the workers did not come to an end; see their logs")
            await asyncio.sleep(POLL_SECONDS)
        return time.monotonic() - start

    def left(self) -> int:
        """Return how many jobs of the notice are not done."""
        return int(self.ask(lambda connection: connection.scalar(_LEFT)))

    def states(self) -> dict[str, int]:
        """Return how many deliveries are in which state."""
        return {str(row[0]): int(row[1]) for row in self.ask(lambda c: c.execute(_STATES).all())}


async def bench_broadcast(
    *,
    people: int,
    slots: int,
    database: str = SQLITE,
    kill: bool = True,
    lease: float = LEASE_SECONDS,
) -> dict[str, object]:
    """Send one notice and count.

    Args:
        people: guardians, of whom one in fifty has no contact.
        slots: sends in flight per worker; at most so many calls are unknown after the kill.
        lease: seconds until what a killed worker had in hand is taken up by another one.
    """
    clock, before = SystemClock(), load()
    platform = Counting(clock)
    async with open_stage(platform=platform, database=database, stream=False) as stage:
        families = await _write(stage, platform, people, clock)
        settings = {
            "XINQING_WORKER_SLOTS": str(slots),
            "XINQING_LEASE_SECONDS": str(lease),
            "XINQING_ENCODER": "none",
            "XINQING_RISK_MODEL": "none",
        }
        workers = tuple(stage.house.make_worker(number, **settings) for number in range(WORKERS))
        run = _Run(stage, platform, families, workers, lease)
        try:
            return await _measure(run, people, slots, kill) | {
                "engine": engine_version(database),
                "load_before_and_after": [before, load()],
                "machine": machine(),
            }
        finally:
            for worker in workers:
                worker.kill()


async def _measure(run: _Run, people: int, slots: int, kill: bool) -> dict[str, object]:
    for worker in run.workers:
        worker.start()
    await run.until(lambda: run.ask(lambda c: c.scalar(_UP)) == len(CHANNEL_LANES), UP_SECONDS)
    longest = SPARE * sum(people / 2 / lane["per_second"] for lane in CHANNEL_LANES.values())
    start = time.monotonic()
    await _send(run)
    expanded = await run.until(
        lambda: run.ask(lambda c: c.scalar(_NOTICE)) == "sent", UP_SECONDS + longest
    )
    killed_after = None
    if kill:
        half = len(run.families.reachable) // 2
        await run.until(lambda: platform_sent(run) >= half, longest)
        run.workers[0].kill()
        killed_after = round(time.monotonic() - start, 1)
        run.workers[0].start()
    await run.until(lambda: run.left() == 0, longest + 10 * run.lease)
    drained = time.monotonic() - start
    return {
        "bench": "broadcast",
        "guardians": run.families.guardians,
        "children": run.families.children,
        "reachable": len(run.families.reachable),
        "workers": WORKERS,
        "slots": slots,
        "lease_seconds": run.lease,
        "expanded_seconds": round(expanded, 2),
        "drained_seconds": round(drained, 1),
        "killed_after_seconds": killed_after,
        "states": run.states(),
        **_counted(run),
        "lanes": _lanes(run.platform),
    }


def platform_sent(run: _Run) -> int:
    """Return how many messages the platforms have taken."""
    return sum(run.platform.got.values())


def _counted(run: _Run) -> dict[str, int]:
    """Compare what the platforms took with what the deliveries say."""
    rows: list[tuple[str, str]] = run.ask(lambda c: c.execute(_PEOPLE).all())
    state = {str(name): str(found) for name, found in rows}
    got = run.platform.got
    unknown = {name for name, found in state.items() if found == "unknown"}
    return {
        "lost": sum(
            name not in state or (not got[name] and name not in unknown)
            for name in run.families.reachable
        ),
        "sent_twice": sum(times > 1 for times in got.values()),
        "unknown": len(unknown),
        "unknown_calls": int(run.ask(lambda c: c.scalar(_UNKNOWN_CALLS)) or 0),
        "unknown_but_sent": sum(got[name] > 0 for name in unknown),
        "accepted_but_not_sent": sum(
            found == "accepted" and not got[name] for name, found in state.items()
        ),
    }


def _lanes(platform: Counting) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for channel, times in platform.times.items():
        took = times[-1] - times[0]
        limit = CHANNEL_LANES[channel]
        found[f"{channel}:{ACCOUNT}"] = {
            "calls": len(times),
            "seconds": round(took, 1),
            "per_second": round(len(times) / took, 1) if took else 0.0,
            "limit_per_second": limit["per_second"],
            "most_in_any_second": most_within(sorted(times), 1.0),
            "allowed_in_any_second": int(limit["burst"] + limit["per_second"]),
        }
    return found


async def _write(stage: Stage, platform: FakePlatform, people: int, clock: Clock) -> Families:
    ring = crypto.KeyRing.parse(stage.house.secret_keys)
    crypto.install(ring)
    database = Database(make_engine(stage.house.database))
    try:
        async with database.write() as session:
            return await make_families(session, ring, platform, guardians=people, now=clock.now())
    finally:
        await database.close()


async def _send(run: _Run) -> None:
    """Write and send the notice as a lead of the school."""
    database, now = Database(make_engine(run.stage.house.database)), SystemClock().now()
    try:
        async with database.write() as session:
            person, _ = await staff.create_staff(session, login="bench", name="演示", now=now)
            place = run.families.school.id
            await staff.grant(
                session,
                staff_id=person.id,
                place_id=place,
                role="lead",
                starts_at=now - timedelta(days=1),
            )
            by = await staff.view(session, person, now)
            notice = await notices.draft(
                session,
                by,
                place_id=place,
                title=TITLE,
                body=BODY,
                confirm=True,
                key="bench",
                now=now,
            )
            await notices.send(session, by, notice.id, notice.row_version, now)
    finally:
        await database.close()
