"""`xinqing bench stream`: DingTalk Stream over websockets on loopback, cut off again and again.

The service runs in a process of its own, with its own client and tables; the gateway asks it to
move, hangs up, or is gone without a word, while parents write. Called by `bot.cli.bench` and by
tests.
"""

import asyncio
import random
import time
from collections import defaultdict

from bot.bench.databases import SQLITE, engine_version
from bot.bench.ledger import Ledger
from bot.bench.loss import make_plan
from bot.bench.measure import load, machine, spread
from bot.bench.stage import Stage, Unlimited, open_stage
from bot.bench.tally import count
from bot.bench.ways import STREAM, WAYS, TimedGateway, send
from bot.core.clock import SystemClock

ASKED, HUNG_UP, CUT = "asked", "asked_and_hung_up", "cut_without_a_word"
KINDS = (ASKED, HUNG_UP, CUT)
ACK_SECONDS = 3.0
CONNECT_SECONDS = 120.0
SETTLE_SECONDS = 300.0


async def bench_stream(
    *, minutes: float, disconnects: int, rate: float, seed: int, database: str = SQLITE
) -> dict[str, object]:
    """Break the connection so often within so many minutes and return the counts.

    Args:
        rate: messages a second meanwhile.
        database: `sqlite`, or the address of a PostgreSQL server.
    """
    rng = random.Random(seed)
    seconds = minutes * 60
    plan = make_plan(max(30, round(rate * seconds)), rate=rate, rng=rng, dated=False)
    kinds = [KINDS[number % len(KINDS)] for number in range(disconnects)]
    rng.shuffle(kinds)
    before = load()
    gateway = TimedGateway()
    async with open_stage(
        platform=Unlimited(SystemClock()), database=database, stream=True, gateway=gateway
    ) as stage:
        await asyncio.to_thread(stage.house.start)
        stage.lift_alert_limit()
        async with asyncio.timeout(CONNECT_SECONDS):
            await gateway.wait_connected(stage.house.robot.app_key)
        breaking = asyncio.create_task(_break(stage, gateway, kinds, seconds, rng))
        seen = await send(stage, WAYS[STREAM], plan)
        back = await breaking
        settled = await stage.settle(SETTLE_SECONDS)
        ledger = Ledger.read(stage.house.database, stage.house.secret_keys)
        counts = count(seen, ledger, list(stage.platform.sent))
        complaints = stage.house.complaints()
    return {
        "bench": "stream",
        "engine": engine_version(database),
        "minutes": minutes,
        "seed": seed,
        "disconnects": {kind: kinds.count(kind) for kind in KINDS},
        "connections": gateway.opened,
        "connected_again": {kind: spread(times) for kind, times in back.items()},
        "connected_again_all": spread([one for times in back.values() for one in times]),
        "sent_again_by_the_gateway": gateway.redelivered,
        "acknowledged": spread(gateway.ack_seconds),
        "acknowledged_later_than_3_s": sum(one > ACK_SECONDS for one in gateway.ack_seconds),
        "acknowledgements_by_code": {str(code): times for code, times in gateway.codes.items()},
        **counts,
        "settled": settled,
        "complaints": complaints,
        "load_before_and_after": [before, load()],
        "machine": machine(),
    }


async def _break(
    stage: Stage, gateway: TimedGateway, kinds: list[str], seconds: float, rng: random.Random
) -> dict[str, list[float]]:
    """Break the connection once in every slot of time; return how long a new one took, by kind."""
    back: defaultdict[str, list[float]] = defaultdict(list)
    slot = seconds / max(1, len(kinds))
    start = time.perf_counter()
    for number, kind in enumerate(kinds):
        due = start + (number + rng.uniform(0.1, 0.9)) * slot
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        back[kind].append(await _once(stage, gateway, kind))
    return dict(back)


async def _once(stage: Stage, gateway: TimedGateway, kind: str) -> float:
    """Break it once, and return the seconds until the service is connected anew.

    Raises:
        TimeoutError: it did not come back.
    """
    app_key = stage.house.robot.app_key
    opened, begun = gateway.opened, time.perf_counter()
    if kind == CUT:
        stage.server.cut()
    else:
        await gateway.disconnect(app_key, hang_up=kind == HUNG_UP)
    async with asyncio.timeout(CONNECT_SECONDS):
        await gateway.wait_connected(app_key, opened=opened + 1)
    return time.perf_counter() - begun
