"""Demonstration data: a district, two schools, four classes, staff, parents and a duty roster.

Called once by `xinqing setup --demo`. The roster is prolonged at every start of a demonstration,
so that somebody is always on duty in it.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import to_shanghai
from bot.db.crypto import installed
from bot.db.models import Contact, Place, ShiftPattern, Staff, StaffRole
from bot.services import (
    catalogue,
    contacts,
    demo_people,
    hotlines,
    places,
    shift_patterns,
    shifts,
    staff,
)


@dataclass(frozen=True, slots=True)
class NewLogin:
    """A member of staff with the password that was made for them, to be printed once."""

    login: str
    name: str
    role: str
    password: str


def _data() -> Mapping[str, Any]:
    source = files("bot.services").joinpath("demo.toml").read_text(encoding="utf-8")
    return tomllib.loads(source)


async def exists(session: AsyncSession) -> bool:
    """Say whether the database has been set up before."""
    return await session.scalar(select(Place.id).limit(1)) is not None


async def seed(session: AsyncSession, *, account: str, now: datetime) -> list[NewLogin]:
    """Fill an empty database and return the logins with their one-time passwords."""
    data = _data()
    tree = await _places(session, data)
    logins = [await _member(session, row, tree, now) for row in data["staff"]]
    for row in data["parent"]:
        scene = row["scene"]
        place = next(place for place in tree.values() if place.scene == scene)
        channel = row.get("channel", "wechat")
        session.add(
            Contact(
                channel=channel,
                account=account,
                external_id=row["external_id"],
                place_id=place.id,
                created_at=now,
                # DingTalk's robot may write first; WeChat's account only after its parent wrote.
                window_limit=contacts.UNCOUNTED if channel == "dingtalk" else 0,
            )
        )
    await session.flush()
    await demo_people.seed(session, installed(), now)
    await catalogue.seed(session, now=now)
    await hotlines.seed(session)
    await session.flush()
    await prolong_roster(session, now=now)
    return logins


async def _places(session: AsyncSession, data: Mapping[str, Any]) -> dict[str, Place]:
    district = await places.add(
        session, kind="district", name=data["district"]["name"], parent=None
    )
    tree = {"0": district}
    for number, row in enumerate(data["school"], 1):
        school = await places.add(session, kind="school", name=row["name"], parent=district)
        tree[str(number)] = school
        for index, item in enumerate(row["class"]):
            tree[f"{number}.{index}"] = await places.add(
                session, kind="class", name=item["name"], parent=school, scene=item["scene"]
            )
    return tree


async def _member(
    session: AsyncSession, row: Mapping[str, Any], tree: Mapping[str, Place], now: datetime
) -> NewLogin:
    person, password = await staff.create_staff(
        session, login=row["login"], name=row["name"], phone=row.get("phone"), now=now
    )
    person.external_id = row.get("dingtalk")
    for item in row["roles"]:
        await staff.grant(
            session, staff_id=person.id, place_id=tree[item["place"]].id, role=item["role"]
        )
    return NewLogin(person.login, person.name, row["roles"][0]["role"], password)


async def prolong_roster(session: AsyncSession, *, now: datetime) -> None:
    """Write the demonstration's roster from now on, day and night; make its patterns if need be."""
    if await session.scalar(select(ShiftPattern.id).limit(1)) is None:
        await _patterns(session, now)
    await shift_patterns.write_all(session, now)


async def _patterns(session: AsyncSession, now: datetime) -> None:
    people = {person.login: person for person in await session.scalars(select(Staff))}
    for row in _data()["staff"]:
        # A demonstration from before had no numbers, and whom nothing wakes covers nothing.
        if (person := people.get(row["login"])) is not None:
            person.phone = person.phone or row.get("phone")
    await session.flush()
    for row in _data()["pattern"]:
        person = people.get(row["login"])
        if person is None:
            continue
        place_id = await session.scalar(
            select(StaffRole.place_id).where(StaffRole.staff_id == person.id).limit(1)
        )
        place = await session.get_one(Place, place_id)
        session.add(
            ShiftPattern(
                place_id=place.id,
                staff_id=person.id,
                tier=shifts.tier_of(place),
                days=row["days"],
                on_holidays=row.get("on_holidays", False),
                on_makeup_days=row["on_makeup_days"],
                start_minute=_minute(row["start"]),
                end_minute=_minute(row["end"]),
                first_day=to_shanghai(now).date() - timedelta(days=1),
                made_by=person.id,
            )
        )
    await session.flush()


def _minute(clock: str) -> int:
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)
