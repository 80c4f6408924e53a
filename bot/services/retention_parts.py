"""The parts a class of data is made of, and what every class leaves out.

Used by `bot.services.retention_rules` and `bot.services.retention_people`, which say what belongs
to each class.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from bot.services.holds import protected_contacts

CHUNK = 500
Ids = Sequence[int]
Due = Callable[[datetime], Select[int]]
Forget = Callable[[AsyncSession, Ids, datetime], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of row of a class.

    Args:
        due: the ids that are over their time at a cut-off moment.
        forget: takes some of these ids, and the moment of the night.
        chunk: how many at once; one row may bring thousands along.
    """

    due: Due
    forget: Forget
    chunk: int = CHUNK


def free(contact: ColumnElement[Any] | InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    """Match what belongs to no protected contact; what belongs to nobody is free."""
    return or_(contact.is_(None), contact.not_in(protected_contacts()))


def deleting(model: type[Any]) -> Forget:
    """Return what forgets rows by deleting them."""

    async def forget(session: AsyncSession, ids: Ids, _now: datetime) -> None:
        await session.execute(delete(model).where(model.id.in_(ids)))

    return forget


def simple(model: type[Any], moment: ColumnElement[Any], *also: ColumnElement[bool]) -> Part:
    """Delete the rows of one table that are older and match."""
    return Part(lambda cutoff: select(model.id).where(moment <= cutoff, *also), deleting(model))


def of_contact(model: type[Any], moment: ColumnElement[Any], *also: ColumnElement[bool]) -> Part:
    """Return a part of rows that are a contact's, none of a contact that is held."""
    return simple(model, moment, free(model.contact_id), *also)
