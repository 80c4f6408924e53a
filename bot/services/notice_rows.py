"""The delivery rows of a notice: written many at once, each with the job that sends it.

Called by the job that expands a notice and by `notices.announce`. A person has one row a round,
held by its key, so that writing the same part again (after a crash) changes nothing.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Row, Table
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Delivery, Notice, NoticeChild
from bot.db.models.delivery import API, QUEUED, UNREACHABLE
from bot.jobs.engines import dialect_of
from bot.jobs.table import JobRow, enqueue_many
from bot.services.notice_plan import DINGTALK, Way

SEND, BATCH = "notice.send", "notice.batch"
# DingTalk takes so many people in one call, and counts calls by the month.
BATCH_PEOPLE = 20
# Behind every reply of the same lane (1 and 5).
SEND_PRIO = 8
# A correction goes before the notices that are still waiting.
CORRECTION_PRIO = 7
CORRECTION = "withdrawn"
KIND = "notice"
ROWS_AT_ONCE = 500
_DELIVERY = cast(Table, Delivery.__table__)
_CHILD = cast(Table, NoticeChild.__table__)


def source(round_: int | str) -> str:
    """Return what a delivery of a round is stored with; `round_of` reads it."""
    return f"notice:{round_}"


def round_of(delivery: Delivery) -> str:
    """Return the round of a delivery: a number, or `CORRECTION`."""
    return delivery.source.partition(":")[2]


async def add_children(session: AsyncSession, notice_id: int, child_ids: Sequence[int]) -> None:
    """Note which children a notice concerns; those that are noted already stay."""
    if not child_ids:
        return
    statement = dialect_of(session).insert(_CHILD)
    await session.execute(
        statement.on_conflict_do_nothing(index_elements=["notice_id", "child_id"]),
        [{"notice_id": notice_id, "child_id": child_id, "way": ""} for child_id in child_ids],
    )


async def add(
    session: AsyncSession,
    notice: Notice,
    guardians: Mapping[int, Way],
    contacts: Mapping[int, Way],
    *,
    now: datetime,
    round_: int | str | None = None,
) -> Counter[str]:
    """Write a delivery for each guardian and each contact, and queue those that can be sent.

    Args:
        contacts: people who are told as contacts, not as somebody's guardian.
        round_: None: the notice's present one.

    Returns:
        The ways and the reasons of those that are new, counted.
    """
    number = notice.rounds if round_ is None else round_
    told: list[tuple[str, int | None, Way]] = [
        *((str(one), one, way) for one, way in guardians.items()),
        *((f"c{one}", None, way) for one, way in contacts.items()),
    ]
    rows = [
        _row(notice, who, way, number, now) | {"guardian_id": guardian_id}
        for who, guardian_id, way in told
    ]
    lanes = {str(row["key"]): way.lane for row, (_, _, way) in zip(rows, told, strict=True)}
    statement = (
        dialect_of(session)
        .insert(_DELIVERY)
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(
            _DELIVERY.c.id,
            _DELIVERY.c.key,
            _DELIVERY.c.state,
            _DELIVERY.c.target,
            _DELIVERY.c.reason,
        )
    )
    new: list[Row[Any]] = []
    for start in range(0, len(rows), ROWS_AT_ONCE):
        new += (await session.execute(statement, rows[start : start + ROWS_AT_ONCE])).all()
    prio = CORRECTION_PRIO if number == CORRECTION else SEND_PRIO
    queued = [row for row in new if row.state == QUEUED]
    await enqueue_many(session, _jobs(queued, lanes, now=now, prio=prio))
    return Counter(row.target or row.reason for row in new)


def _jobs(
    rows: Sequence[Row[Any]], lanes: Mapping[str, str], *, now: datetime, prio: int
) -> Iterator[JobRow]:
    """Return the jobs that send deliveries: in one call for many where the way allows it."""
    together: dict[str, list[Row[Any]]] = {}
    for row in rows:
        if row.target == DINGTALK:
            together.setdefault(lanes[row.key], []).append(row)
    parts = [
        part[start : start + BATCH_PEOPLE]
        for part in together.values()
        for start in range(0, len(part), BATCH_PEOPLE)
    ]
    alone = [row for row in rows if row.target != DINGTALK]
    for part in [*parts, *([row] for row in alone)]:
        first = part[0]
        many = len(part) > 1
        yield JobRow(
            kind=BATCH if many else SEND,
            payload={"deliveries": [row.id for row in part]} if many else {"delivery": first.id},
            key=f"{BATCH}:{first.key}" if many else first.key,
            now=now,
            lane=lanes[first.key],
            prio=prio,
        )


def _row(notice: Notice, who: str, way: Way, round_: int | str, now: datetime) -> dict[str, object]:
    open_ = bool(way.name)
    return {
        "key": f"notice:{notice.id}:{who}:{round_}",
        "contact_id": way.contact_id,
        "guardian_id": None,
        "notice_id": notice.id,
        "route": API,
        "target": way.name,
        "kind": KIND,
        "source": source(round_),
        "body": "",
        "state": QUEUED if open_ else UNREACHABLE,
        "reason": way.reason,
        "created_at": now,
        "finished_at": None if open_ else now,
    }
