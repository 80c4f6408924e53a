"""`xinqing bench loss`: kill the service again and again, and count what was lost or doubled.

The platform's part is played as WeChat does: it drops a callback after five seconds and sends the
same message again, four times in all. Parents write in bursts of three; some callbacks come several
times at once, some are stale, some are cries for help. Called by `bot.cli.bench` and by tests.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import httpx2

from bot.bench.ledger import Ledger
from bot.bench.measure import machine
from bot.bench.questions import questions
from bot.bench.stage import Calm, Stage, Unlimited, open_stage
from bot.bench.tally import Planned, Seen, count
from bot.core.clock import SystemClock
from bot.simulator.driver import DELIVERIES, GIVE_UP_SECONDS, PreparedCallback, ServiceBroken

BURST = 3
PAUSE_SECONDS = 0.05
MESSAGES_PER_PARENT = 20
RISKY_BURSTS = 0.15
WORRIED = 0.1
STALE = 0.02
STALE_BY = timedelta(hours=1)
DOUBLED = 0.05
COPIES = (2, 5)
SETTLE_SECONDS = 300.0


async def bench_loss(*, callbacks: int, kills: int, rate: float, seed: int) -> dict[str, object]:
    """Send so many messages with so many kills in between and return the counts."""
    rng = random.Random(seed)
    plan = make_plan(callbacks, rate=rate, rng=rng)
    start = time.perf_counter()
    async with open_stage(platform=Unlimited(SystemClock())) as stage:
        stage.house.start()
        stage.lift_alert_limit()
        killing = asyncio.create_task(_kill(stage, kills, plan[-1].after, rng))
        seen = await _send(stage, plan)
        restarts = await killing
        settled = await stage.settle(SETTLE_SECONDS)
        ledger = Ledger.read(stage.house.database, stage.house.secret_keys)
        counts = count(seen, ledger, list(stage.platform.sent))
    return {
        "bench": "loss",
        "seed": seed,
        "kills": kills,
        "restart_seconds": restarts,
        **counts,
        "settled": settled,
        "seconds": round(time.perf_counter() - start, 1),
        "machine": machine(),
    }


def make_plan(callbacks: int, *, rate: float, rng: random.Random) -> list[Planned]:
    """Say who writes what and when: bursts of three at random moments."""
    parents = max(6, callbacks // MESSAGES_PER_PARENT)
    worried = max(2, round(parents * WORRIED))
    words, calm = questions().stream(rng.randrange(2**32)), Calm()
    plan: list[Planned] = []
    moment = 0.0
    while len(plan) < callbacks:
        moment += rng.expovariate(rate / BURST)
        risky = rng.random() < RISKY_BURSTS
        parent = rng.randrange(worried) if risky else rng.randrange(worried, parents)
        cry = rng.randrange(BURST) if risky else None
        for place in range(min(BURST, callbacks - len(plan))):
            cries = rng.choice(questions().risks)
            text = cries if place == cry else calm.next(str(parent), words)
            after = moment + place * PAUSE_SECONDS
            plan.append(_message(len(plan), parent, text, after, place == cry, rng))
    return sorted(plan, key=lambda planned: planned.after)


def _message(
    index: int, parent: int, text: str, after: float, risk: bool, rng: random.Random
) -> Planned:
    return Planned(
        number=str(2 * 10**15 + index),
        openid=f"oLoss{parent:04}",
        text=text,
        after=after,
        risk=risk,
        stale=rng.random() < STALE,
        copies=rng.randint(*COPIES) if rng.random() < DOUBLED else 1,
    )


async def _kill(stage: Stage, kills: int, seconds: float, rng: random.Random) -> list[float]:
    """Kill and restart at random moments while messages come; return the restarts' seconds."""
    restarts = []
    for _ in range(kills):
        await asyncio.sleep(rng.uniform(0.2, 2 * seconds / (kills + 1)))
        await asyncio.to_thread(stage.house.process.kill)
        restarts.append(round(await asyncio.to_thread(stage.house.start), 2))
        stage.lift_alert_limit()
    return restarts


async def _send(stage: Stage, plan: Sequence[Planned]) -> list[Seen]:
    seen = [Seen(planned) for planned in plan]
    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for one in seen:
            wait = start + one.planned.after - time.perf_counter()
            await asyncio.sleep(max(0.0, wait))
            prepared = _prepare(stage, one.planned)
            for _ in range(one.planned.copies):
                group.create_task(_deliver(stage, prepared, one))
    return seen


def _prepare(stage: Stage, planned: Planned) -> PreparedCallback:
    at: datetime | None = SystemClock().now() - STALE_BY if planned.stale else None
    stage.platform.wrote(planned.openid)
    return stage.wechat.prepare(planned.openid, planned.text, message_id=planned.number, at=at)


async def _deliver(stage: Stage, prepared: PreparedCallback, seen: Seen) -> None:
    """Post as the platform does: drop after five seconds, send again, four times in all."""
    for _ in range(DELIVERIES):
        start = time.perf_counter()
        seen.posted += 1
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS):
                words = stage.wechat.read_answer(await stage.wechat.post(prepared))
        except (TimeoutError, ServiceBroken, httpx2.TransportError):
            await asyncio.sleep(max(0.0, start + GIVE_UP_SECONDS - time.perf_counter()))
            continue
        seen.taken = True
        seen.words |= {words} if words else set()
        return
