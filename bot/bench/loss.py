"""`xinqing bench loss`: kill the service again and again, and count what was lost or doubled.

The platforms' parts are played by `bot.bench.ways`. Parents write in bursts of three; some messages
come several times at once, some are stale, some are cries for help. Called by `bot.cli.bench` and
by tests.
"""

import asyncio
import random
import time
from dataclasses import replace

from bot.bench.databases import SQLITE, engine_version
from bot.bench.ledger import Ledger
from bot.bench.measure import load, machine
from bot.bench.questions import questions
from bot.bench.stage import Calm, Stage, Unlimited, open_stage
from bot.bench.tally import Planned, count
from bot.bench.ways import STREAM, WAYS, WECHAT, TimedGateway, send
from bot.core.clock import SystemClock

BURST = 3
PAUSE_SECONDS = 0.05
MESSAGES_PER_PARENT = 20
RISKY_BURSTS = 0.15
WORRIED = 0.1
STALE = 0.02
DOUBLED = 0.05
COPIES = (2, 5)
SETTLE_SECONDS = 300.0


async def bench_loss(
    *,
    callbacks: int,
    kills: int,
    rate: float,
    seed: int,
    channel: str = WECHAT,
    database: str = SQLITE,
) -> dict[str, object]:
    """Send so many messages with so many kills in between and return the counts.

    Args:
        channel: a name of `bot.bench.ways.WAYS`.
        database: `sqlite`, or the address of a PostgreSQL server.
    """
    rng = random.Random(seed)
    way = WAYS[channel]
    plan = make_plan(callbacks, rate=rate, rng=rng, dated=way.dated)
    start, before = time.perf_counter(), load()
    gateway = TimedGateway()
    async with open_stage(
        platform=Unlimited(SystemClock()),
        database=database,
        stream=None if channel == WECHAT else channel == STREAM,
        gateway=gateway,
    ) as stage:
        await asyncio.to_thread(stage.house.start)
        stage.lift_alert_limit()
        killing = asyncio.create_task(_kill(stage, kills, plan[-1].after, rng))
        seen = await send(stage, way, plan)
        restarts = await killing
        settled = await stage.settle(SETTLE_SECONDS)
        ledger = Ledger.read(stage.house.database, stage.house.secret_keys)
        counts = count(seen, ledger, list(stage.platform.sent))
        complaints = stage.house.complaints()
    return {
        "bench": "loss",
        "channel": channel,
        "engine": engine_version(database),
        "seed": seed,
        "kills": kills,
        "restart_seconds": restarts,
        **counts,
        "sent_again_by_the_gateway": gateway.redelivered,
        "settled": settled,
        "complaints": complaints,
        "seconds": round(time.perf_counter() - start, 1),
        "load_before_and_after": [before, load()],
        "machine": machine(),
    }


def make_plan(
    callbacks: int, *, rate: float, rng: random.Random, dated: bool = True
) -> list[Planned]:
    """Say who writes what and when: bursts of three at random moments.

    Args:
        dated: whether some of them come so late that they are stale.
    """
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
            planned = _message(len(plan), parent, text, after, place == cry, rng)
            plan.append(planned if dated else replace(planned, stale=False))
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
