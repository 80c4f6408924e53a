"""`xinqing bench rotate`: put every field under a new key while parents write.

Called by `bot.cli.bench`. The service runs with the new key first; `xinqing rotate-keys` runs
beside it, as an operator does it. Afterwards every field of every table is read with the new key
alone, with plain SQL from outside.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import cycle

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from bot.bench.databases import SQLITE, plain_engine
from bot.bench.load import Ready, Run
from bot.bench.measure import load, machine, spread
from bot.bench.processes import BenchHouse
from bot.bench.questions import questions
from bot.bench.stage import Stage, open_stage
from bot.core.clock import SystemClock
from bot.db import crypto
from bot.db.base import Base
from bot.db.crypto import KeyRing, Undecipherable, new_key
from bot.db.engine import Database, make_engine
from bot.db.models import Assessment, Contact, Message
from bot.db.types import EncryptedJson, EncryptedText

SEED = 20261122
PEOPLE = 50
# Text, media and the screen's spans of each message.
FIELDS_EACH = 3
ROWS_AT_ONCE = 1_000
# So that messages come in before the rotation begins and after it has ended.
MARGIN_SECONDS = 2.0
OLD = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class _Read:
    """What was found under which key afterwards."""

    fields: int
    under_old: int
    unreadable: int


async def bench_rotate(*, fields: int, rate: float, database: str = SQLITE) -> dict[str, object]:
    """Fill so many fields, rotate them while messages come in, and return what came of both."""
    async with open_stage(database=database) as stage:
        old = stage.house.secret_keys
        await _fill(stage.house, fields)
        stage.house.rekey(f"{new_key('second')},{old}")
        await asyncio.to_thread(stage.house.start)
        people = [f"oBench{number:04}" for number in range(PEOPLE)]
        await stage.greet(people)
        seconds, run = await _rotate(stage, people, rate)
        settled = await stage.settle()
        read = _read(stage.house.database, stage.house.secret_keys.partition(",")[0])
        return {
            "bench": "rotate",
            "database": "sqlite" if database == SQLITE else "postgresql",
            "fields_before": fields,
            "fields_after": read.fields,
            "rotation_seconds": round(seconds, 1),
            "fields_per_second": round(fields / seconds),
            "messages_meanwhile": len(run.answers),
            "messages_per_second": rate,
            "messages_lost": _lost(stage.house.database, run),
            "answers_failed": sum(one.status != 200 for one in run.answers),
            "answered": spread([one.seconds for one in run.answers]),
            "all_answered": settled,
            "fields_under_old_key": read.under_old,
            "fields_unreadable": read.unreadable,
            "complaints": stage.house.complaints(),
            "load": load(),
            "machine": machine(),
        }


async def _fill(house: BenchHouse, fields: int) -> None:
    """Store old messages of one parent, encrypted with the old key."""
    crypto.install(KeyRing.parse(house.secret_keys))
    now = SystemClock().now() - OLD
    filled = Database(make_engine(house.database, synchronous="NORMAL"))
    try:
        async with filled.write() as session:
            contact = Contact(
                channel="wechat", account="demo", external_id="oBenchOld", created_at=now
            )
            session.add(contact)
        words = questions().stream(SEED)
        left = range(0, fields // FIELDS_EACH, ROWS_AT_ONCE)
        for first in left:
            last = min(first + ROWS_AT_ONCE, fields // FIELDS_EACH)
            async with filled.write() as session:
                await _store(session, contact.id, range(first, last), words, now)
    finally:
        await filled.close()


async def _store(
    session: AsyncSession, contact_id: int, numbers: range, words: Iterator[str], now: datetime
) -> None:
    common = {"channel": "wechat", "account": "demo", "contact_id": contact_id, "kind": "text"}
    moments = {"sent_at": now, "received_at": now, "media_id": "", "state": "done"}
    messages = [
        {"platform_id": f"old{number}", "text": next(words), **common, **moments}
        for number in numbers
    ]
    await session.execute(insert(Message), messages)
    known = [row["platform_id"] for row in messages]
    ids = await session.scalars(select(Message.id).where(Message.platform_id.in_(known)))
    judged = {"level": "0", "fresh_level": "0", "categories": [], "reasons": [], "rule_ids": []}
    rows = [
        {"message_id": one, "contact_id": contact_id, "spans": [], "rule_version": "bench"}
        | judged
        | {"created_at": now}
        for one in ids
    ]
    await session.execute(insert(Assessment), rows)


async def _rotate(stage: Stage, people: Sequence[str], rate: float) -> tuple[float, Run]:
    """Rotate while parents write, and return how long it took and what they were answered."""
    done = asyncio.Event()

    def requests() -> Iterator[Ready]:
        for openid, words in zip(cycle(people), questions().stream(SEED), strict=False):
            if done.is_set():
                return
            yield stage.prepare_one(openid, words)

    writing = asyncio.create_task(stage.driver.steady(requests(), rate=rate, seed=SEED))
    await asyncio.sleep(MARGIN_SECONDS)
    start = time.perf_counter()
    await asyncio.to_thread(stage.house.run, "rotate-keys")
    seconds = time.perf_counter() - start
    await asyncio.sleep(MARGIN_SECONDS)
    done.set()
    return seconds, await writing


def _lost(database: str, run: Run) -> int:
    """Count the messages that were answered with success and are not stored exactly once."""
    with plain_engine(database).connect() as connection:
        rows = connection.execute(text("SELECT platform_id FROM message"))
        stored = Counter(row[0] for row in rows)
    taken = [one.ready.number for one in run.answers if one.status == 200]
    return sum(stored[number] != 1 for number in taken)


def _read(database: str, key: str) -> _Read:
    """Read every encrypted field of every table with one key alone."""
    ring = KeyRing.parse(key)
    fields = under_old = unreadable = 0
    with plain_engine(database).connect() as connection:
        for table, column, purpose in _columns():
            for row in connection.execute(text(f"SELECT {column} FROM {table}")):
                if row[0] is None:
                    continue
                fields += 1
                under_old += not str(row[0]).startswith(f"{ring.current_id}.")
                try:
                    ring.decrypt(str(row[0]), purpose=purpose)
                except Undecipherable:
                    unreadable += 1
    return _Read(fields, under_old, unreadable)


def _columns() -> Iterator[tuple[str, str, str]]:
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, EncryptedText | EncryptedJson):
                yield table.name, column.name, column.type.purpose
