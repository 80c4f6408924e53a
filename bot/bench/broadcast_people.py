"""Demonstration families for `xinqing bench broadcast`: written at once, known to the platforms.

Two children in three have one guardian, every third has two, one guardian in ten has twins; half of
the guardians are in DingTalk, half in WeChat with an open window, some cannot be reached at all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncSession

from bot.bench.processes import ACCOUNT
from bot.db.crypto import KeyRing
from bot.db.models import Child, Contact, Guardian, Guardianship, Place
from bot.services import people, places
from bot.simulator.platform import FakePlatform

CLASS_SIZE = 45
AT_ONCE = 1000
# One guardian in so many has no contact.
SILENT = 50
SOURCE = "bench"


@dataclass(frozen=True, slots=True)
class Families:
    """What was made.

    Args:
        school: the place that the notice goes to.
        reachable: platform ids of the guardians that a way leads to.
    """

    school: Place
    children: int
    guardians: int
    reachable: frozenset[str]


async def make_families(
    session: AsyncSession, ring: KeyRing, platform: FakePlatform, *, guardians: int, now: datetime
) -> Families:
    """Write a school with so many guardians."""
    district = await places.add(session, kind="district", name="演示区", parent=None)
    school = await places.add(session, kind="school", name="演示学校", parent=district)
    pairs = list(_ties(guardians))
    count = max(child for child, _ in pairs) + 1
    classes = [
        await places.add(session, kind="class", name=f"{number}班", parent=school)
        for number in range(1, count // CLASS_SIZE + 2)
    ]
    child_ids = await _write(session, Child, list(_children(count, classes, ring, now)))
    guardian_ids = await _write(session, Guardian, list(_guardians(guardians, ring, now)))
    ties = [
        {
            "child_id": child_ids[child],
            "guardian_id": guardian_ids[guardian],
            "relation": "M",
            "created_at": now,
        }
        for child, guardian in pairs
    ]
    await _write(session, Guardianship, ties)
    contacts = list(_contacts(guardian_ids, school, now))
    await _write(session, Contact, contacts)
    names = [str(row["external_id"]) for row in contacts]
    for row in contacts:
        name = str(row["external_id"])
        platform.wrote(name) if row["channel"] == "wechat" else platform.follow(name)
    return Families(school, count, guardians, frozenset(names))


def _ties(guardians: int) -> Iterator[tuple[int, int]]:
    """Yield child and guardian by number."""
    child = 0
    for guardian in range(guardians):
        yield child, guardian
        if guardian % 10 == 9:
            yield child + 1, guardian
            child += 2
        elif guardian % 3:
            child += 1


def _children(
    count: int, classes: Sequence[Place], ring: KeyRing, now: datetime
) -> Iterator[dict[str, object]]:
    key = people.name_key(ring, "孩子")
    for number in range(count):
        yield {
            "place_id": classes[number // CLASS_SIZE].id,
            "name": "孩子",
            "name_key": key,
            "source": SOURCE,
            "created_at": now,
        }


def _guardians(count: int, ring: KeyRing, now: datetime) -> Iterator[dict[str, object]]:
    for _ in range(count):
        yield {"name": "家长", "source": SOURCE, "created_at": now}


def _contacts(
    guardian_ids: Sequence[int], school: Place, now: datetime
) -> Iterator[dict[str, object]]:
    for number, guardian_id in enumerate(guardian_ids):
        if number % SILENT == SILENT - 1:
            continue
        wechat = number % 2 == 0
        yield {
            "channel": "wechat" if wechat else "dingtalk",
            "account": ACCOUNT,
            "external_id": f"bench{number:06d}",
            "guardian_id": guardian_id,
            "place_id": school.id,
            "created_at": now,
            "window_until": now + timedelta(hours=48) if wechat else None,
            "window_limit": 5 if wechat else -1,
        }


async def _write(
    session: AsyncSession,
    model: type[Child | Guardian | Guardianship | Contact],
    rows: list[dict[str, object]],
) -> list[int]:
    """Insert rows and return their ids in order."""
    ids: list[int] = []
    statement = insert(model).returning(model.id, sort_by_parameter_order=True)
    for start in range(0, len(rows), AT_ONCE):
        ids += await session.scalars(statement, rows[start : start + AT_ONCE])
    return ids
