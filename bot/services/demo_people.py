"""The demonstration's children and guardians, from `demo_people.toml`. Called by `demo.seed`."""

import tomllib
from collections.abc import Mapping
from datetime import datetime
from importlib.resources import files
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.crypto import KeyRing
from bot.db.models import Binding, Child, Contact, Guardian, Place
from bot.db.models.person import BOUND
from bot.services import people

SOURCE = "demo"


async def seed(session: AsyncSession, ring: KeyRing, now: datetime) -> None:
    """Add the children of each demonstration class with those who care for them."""
    source = files("bot.services").joinpath("demo_people.toml").read_text(encoding="utf-8")
    known: dict[str, Guardian] = {}
    later: list[tuple[Child, Mapping[str, Any]]] = []
    for group in tomllib.loads(source)["class"]:
        place = await session.scalar(select(Place).where(Place.scene == group["scene"]))
        if place is None:
            continue
        for row in group["child"]:
            child = await people.add_child(
                session,
                place_id=place.id,
                name=row["name"],
                student_no=row["student_no"],
                born=row.get("born"),
                now=now,
                ring=ring,
                source=SOURCE,
            )
            for item in row["guardians"]:
                if item.get("same"):
                    later.append((child, item))
                    continue
                guardian = await _guardian(session, ring, child, item, now)
                known[item.get("key", "")] = guardian
    for child, item in later:
        await people.tie(session, known[item["key"]], child, item["relation"], now)


async def _guardian(
    session: AsyncSession, ring: KeyRing, child: Child, item: Mapping[str, Any], now: datetime
) -> Guardian:
    guardian = await people.add_guardian(
        session,
        name=item["name"],
        phone=item.get("phone", ""),
        now=now,
        ring=ring,
        source=SOURCE,
    )
    held = await people.tie(session, guardian, child, item["relation"], now)
    held.custody_block = item.get("custody_block", False)
    held.unreachable = item.get("unreachable", "")
    if "contact" in item:
        await _bind(session, guardian, child, item["contact"], now)
    return guardian


async def _bind(
    session: AsyncSession, guardian: Guardian, child: Child, external_id: str, now: datetime
) -> None:
    """Bind a contact of the simulator, as if the school's directory had said so."""
    contact = await session.scalar(select(Contact).where(Contact.external_id == external_id))
    if contact is None:
        return
    contact.guardian_id = guardian.id
    session.add(
        Binding(
            contact_id=contact.id,
            place_id=child.place_id,
            guardian_id=guardian.id,
            child_id=child.id,
            way="directory",
            state=BOUND,
            claim={},
            created_at=now,
            decided_at=now,
        )
    )
    await session.flush()
