"""`xinqing bench callbacks`: encrypted callbacks, stored, screened and answered, beside an echo.

DESIGN §11: every question different and no alias, SQLite with synchronous=FULL, the driver in its
own process, bodies prepared ahead. The bare echo runs with the same driver in the same run.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice

import httpx2

from bot.bench.ledger import Ledger, StoredDelivery
from bot.bench.load import Answered, Driver, Ready, Run
from bot.bench.measure import machine, spread
from bot.bench.processes import HOST, free_port, make_echo_process
from bot.bench.questions import questions
from bot.bench.stage import Stage, open_stage
from bot.simulator.driver import ServiceBroken, WechatDriver

CONCURRENCY = (1, 8, 32)
PARENTS = 500
SEED = 20261122
# Where the rate asked for is above what is reached, this part of what is reached is sent.
SLOWER = 0.6
# How many bodies are made ahead: more than are answered, going by the measurement before.
FIRST_PER_SECOND = 200.0
SPARE = 2.0
WARM_SECONDS = 3.0
ECHO_BODIES = 2_000
CHECKED = 300
REAL_KINDS = frozenset({"answer", "choices", "abstain"})


@dataclass(slots=True)
class _House:
    """What was measured of the house, and every answer, to be checked afterwards."""

    closed: list[dict[str, object]] = field(default_factory=list)
    steady: dict[str, object] = field(default_factory=dict)
    sustained: float = 0.0
    answers: list[Answered] = field(default_factory=list)
    memory_mb: float | None = None


async def bench_callbacks(*, processes: int, seconds: float, rate: float) -> dict[str, object]:
    """Measure the house and the echo and return the figures."""
    async with open_stage(processes=processes) as stage:
        started = await asyncio.to_thread(stage.house.start)
        people = [f"oBench{number:04}" for number in range(PARENTS)]
        await stage.greet(people)
        house = await _measure_house(stage, people, seconds, rate)
        settled = await stage.settle()
        house.memory_mb = stage.house.process.memory_mb()
        stage.house.process.stop()
        complaints = stage.house.complaints()
        ledger = Ledger.read(stage.house.database, stage.house.secret_keys)
        messages = _check(stage.wechat, house.answers, ledger)
        echo = await _measure_echo(stage, people, seconds, float(str(house.steady["rate"])))
    return {
        "bench": "callbacks",
        "processes": processes,
        "seconds_each": seconds,
        "parents": PARENTS,
        "different_questions": len(questions()),
        "house": {
            "sustained_per_second": house.sustained,
            "closed": house.closed,
            "steady": house.steady,
            "messages": messages | {"settled": settled},
            "complaints": complaints,
            "memory_mb": house.memory_mb,
            "ready_seconds": round(started, 2),
        },
        "echo": echo,
        "ratio": _ratio(house, echo),
        "machine": machine(),
    }


async def _measure_house(
    stage: Stage, people: Sequence[str], seconds: float, rate: float
) -> _House:
    house = _House()
    words, writers = questions().stream(SEED), cycle(people)

    def prepare(count: int) -> list[Ready]:
        return list(stage.prepare(words, islice(writers, count)))

    async def closed(concurrency: int, length: float) -> Run:
        expected = SPARE * house.sustained if house.sustained else FIRST_PER_SECOND
        ready = prepare(int(expected * length) + 4 * concurrency)
        run = await stage.driver.closed(iter(ready), concurrency=concurrency, seconds=length)
        house.answers += run.answers
        house.sustained = run.per_second
        return run

    await closed(CONCURRENCY[-1], WARM_SECONDS)
    for concurrency in CONCURRENCY:
        before = stage.house.process.cpu_seconds()
        run = await closed(concurrency, seconds)
        used = stage.house.process.cpu_seconds() - before
        house.closed.append({"concurrency": concurrency} | _figures(run) | _cost(run, used))
    if rate > house.sustained * 0.9:
        rate = round(house.sustained * SLOWER, 1)
    run = await stage.driver.steady(prepare(int(rate * seconds)), rate=rate, seed=SEED)
    house.answers += run.answers
    house.steady = {"rate": rate} | _figures(run)
    return house


async def _measure_echo(
    stage: Stage, people: Sequence[str], seconds: float, rate: float
) -> dict[str, object]:
    """Measure the bare echo; it remembers nothing, so the same bodies go round."""
    port = free_port()
    echo = make_echo_process(stage.house.credentials, port, stage.house.folder)
    echo.start()
    try:
        echo.wait_ready(f"http://{HOST}:{port}")
        driver, words = Driver(HOST, port), questions().stream(SEED)
        bodies = [
            stage.prepare_one(openid, text)
            for openid, text in zip(cycle(people), islice(words, ECHO_BODIES), strict=False)
        ]
        around: Iterator[Ready] = cycle(bodies)
        await driver.closed(around, concurrency=CONCURRENCY[-1], seconds=WARM_SECONDS)
        closed = []
        for concurrency in CONCURRENCY:
            before = echo.cpu_seconds()
            run = await driver.closed(around, concurrency=concurrency, seconds=seconds)
            used = echo.cpu_seconds() - before
            closed.append({"concurrency": concurrency} | _figures(run) | _cost(run, used))
        count = int(rate * seconds)
        steady = await driver.steady(list(islice(around, count)), rate=rate, seed=SEED)
        return {
            "sustained_per_second": closed[-1]["per_second"],
            "closed": closed,
            "steady": {"rate": rate} | _figures(steady),
            "memory_mb": echo.memory_mb(),
        }
    finally:
        echo.stop()


def _figures(run: Run) -> dict[str, object]:
    good = run.good
    return {
        "per_second": run.per_second,
        "answers": len(good),
        "errors": len(run.answers) - len(good),
        **spread([answered.seconds for answered in good]),
    }


def _cost(run: Run, seconds: float) -> dict[str, object]:
    """Return the server's processor time for one answer."""
    return {"cpu_ms_each": round(1000 * seconds / max(1, len(run.answers)), 2)}


def _ratio(house: _House, echo: dict[str, object]) -> dict[str, float]:
    steady = echo["steady"]
    assert isinstance(steady, dict)
    ratio = {"sustained": house.sustained / float(str(echo["sustained_per_second"]))}
    for name in ("p50_ms", "p99_ms"):
        ratio[name] = float(str(house.steady[name])) / steady[name]
    return {name: round(value, 3) for name, value in ratio.items()}


def _check(wechat: WechatDriver, answers: Sequence[Answered], ledger: Ledger) -> dict[str, object]:
    """Compare what was sent with what was stored, and a sample of the answers word for word."""
    rows, replies = ledger.by_number(), ledger.replies()
    sent = [rows.get(answered.ready.number, []) for answered in answers]
    kinds = Counter(
        reply.kind for found in sent for row in found for reply in replies.get(row.id, [])
    )
    sample = answers[:: max(1, len(answers) // CHECKED)]
    wrong = 0
    for answered in sample:
        found = rows.get(answered.ready.number, [])
        stored = [reply for row in found for reply in replies.get(row.id, [])]
        wrong += not _is_right(wechat, answered, stored)
    return {
        "sent": len(answers),
        "stored": sum(len(found) == 1 for found in sent),
        "stored_twice": sum(len(found) > 1 for found in sent),
        "answered": sum(len(replies.get(row.id, [])) == 1 for found in sent for row in found),
        "answered_twice": sum(len(replies.get(row.id, [])) > 1 for found in sent for row in found),
        "errors": sum(answered.status != 200 for answered in answers),
        "kinds": dict(kinds.most_common()),
        "read_and_compared": len(sample),
        "not_a_real_answer": wrong,
    }


def _is_right(wechat: WechatDriver, answered: Answered, stored: Sequence[StoredDelivery]) -> bool:
    """Say whether a parent saw the one stored reply, and whether it came from the handbook."""
    if len(stored) != 1 or stored[0].kind not in REAL_KINDS:
        return False
    try:
        words = wechat.read_answer(httpx2.Response(answered.status, content=answered.body))
    except ServiceBroken:
        return False
    return bool(words) and words == stored[0].words
