"""`xinqing bench start`: from the start of the process to the first correct answer.

Called by `bot.cli.bench`. `xinqing setup` computes the search vectors, so that the first start
reads them as every later one does; without that (`--no-index`) the first start computes them
itself. Both are shown, each in a folder of its own, and how long computing them takes.
"""

import asyncio
import shutil
import time
from collections.abc import Iterator

import httpx2

from bot.bench.load import Connection
from bot.bench.measure import load, machine
from bot.bench.processes import HOST
from bot.bench.questions import questions
from bot.bench.stage import Stage, open_stage
from bot.simulator.driver import ServiceBroken
from bot.wiring.answers import SEED as SEED_VECTORS

PERSON = "oBenchStart"
PAUSE_SECONDS = 0.02
GIVE_UP_SECONDS = 120.0
SEED = 20261122


async def bench_start(runs: int) -> dict[str, object]:
    """Start once, then so many times again, and return seconds and memory."""
    words = questions().stream(SEED)
    async with open_stage() as stage:
        first = await _start(stage, stage.calm.next(PERSON, words))
        later = [await _start(stage, stage.calm.next(PERSON, words)) for _ in range(runs)]
    return {
        "bench": "start",
        "first": first,
        **({} if SEED_VECTORS.exists() else await _unprepared(words)),
        "later": later,
        "worst_later_seconds": max(run["seconds"] for run in later),
        "load": load(),
        "machine": machine(),
    }


async def _unprepared(words: Iterator[str]) -> dict[str, object]:
    """Start without vectors, and compute them; where an image brought them, nobody does."""
    async with open_stage(index=False) as stage:
        first = await _start(stage, stage.calm.next(PERSON, words))
        shutil.rmtree(stage.house.folder / "index")
        start = time.perf_counter()
        await asyncio.to_thread(stage.house.run, "index")
        indexed = time.perf_counter() - start
    return {"first_without_index": first, "index_seconds": round(indexed, 2)}


async def _start(stage: Stage, question: str) -> dict[str, float]:
    """Start the service, ask until it answers with words, and stop it."""
    ready = stage.prepare_one(PERSON, question)
    connection = Connection(HOST, stage.house.port)
    start = time.perf_counter()
    stage.house.process.start()
    while time.perf_counter() - start < GIVE_UP_SECONDS:
        status, body = await connection.post(ready.wire)
        if status == 200 and _words(stage, body):
            break
        await asyncio.sleep(PAUSE_SECONDS)
    seconds = time.perf_counter() - start
    memory = stage.house.process.memory_mb() or 0.0
    await connection.close()
    await asyncio.to_thread(stage.house.process.stop)
    return {"seconds": round(seconds, 2), "memory_mb": memory}


def _words(stage: Stage, body: bytes) -> str | None:
    try:
        return stage.wechat.read_answer(httpx2.Response(200, content=body))
    except ServiceBroken:
        return None
