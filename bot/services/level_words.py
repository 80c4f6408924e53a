"""What a place calls the levels, always with the direction: 三级(最高).

The codes 0 1 2 3 3! are the program's own and have no direction; schools and districts have words
of their own, which mean opposite things in different places (DOMAIN §2.3). The nearest place
upwards that has said something counts, else the packaged words. Called by the queue, the case's
page and everything that shows or prints a level; templates use the macro of `_level.html`.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import cast

from sqlalchemy import Table, delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import InputInvalid
from bot.core.levels import LEVELS
from bot.db.models import LevelWords, Place
from bot.jobs.engines import dialect_of
from bot.services import audit, places, rights
from bot.services.staff import StaffView

CHANGE = "level_words.change"
# The levels that a place has a word for; 0 has no level to name.
NAMED = LEVELS[1:]
LONGEST = 8
_WORDS = cast(Table, LevelWords.__table__)
_TOO_MUCH = frozenset("()（）<>{}")


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one place calls the levels.

    Args:
        words: the bare words by code.
        own: this place has said so itself; else it comes from `above`, or is packaged.
    """

    place_id: int
    name: str
    kind: str
    words: Mapping[str, str]
    own: bool
    above: str


@cache
def _packaged() -> Mapping[str, Mapping[str, str]]:
    text = files("bot.services").joinpath("level_words.toml").read_text("utf-8")
    return cast(Mapping[str, Mapping[str, str]], tomllib.loads(text))


def packaged() -> Mapping[str, str]:
    """Return the words that hold where nobody has said anything."""
    return _packaged()["words"]


def with_direction(words: Mapping[str, str]) -> dict[str, str]:
    """Return the words as they are shown: each with its direction."""
    known = packaged()
    patterns = _packaged()["shown"]
    return {
        code: patterns[code].replace("{word}", words.get(code) or known[code]) for code in LEVELS
    }


async def shown(session: AsyncSession, place_id: int | None) -> Mapping[str, str]:
    """Return what the levels are called at a place, with the direction, by code."""
    return (await shown_many(session, [place_id]))[place_id]


async def shown_many(
    session: AsyncSession, place_ids: Iterable[int | None]
) -> dict[int | None, Mapping[str, str]]:
    """Return the same for many places with two queries; None stands for no place."""
    wanted = set(place_ids)
    default = with_direction({})
    found: dict[int | None, Mapping[str, str]] = dict.fromkeys(wanted, default)
    said = await _said(session)
    if not said:
        return found
    rows = await session.execute(
        select(Place.id, Place.path).where(Place.id.in_([one for one in wanted if one]))
    )
    for place_id, path in rows:
        near = _nearest(path, said)
        if near is not None:
            found[place_id] = with_direction(said[near])
    return found


async def common(session: AsyncSession, place_ids: Iterable[int | None]) -> Mapping[str, str]:
    """Return the words for what holds several places; packaged ones where they differ."""
    found = list((await shown_many(session, place_ids)).values())
    same = bool(found) and all(words == found[0] for words in found)
    return found[0] if same else with_direction({})


async def _said(session: AsyncSession) -> dict[int, Mapping[str, str]]:
    rows = await session.execute(select(LevelWords.place_id, LevelWords.words))
    return {row.place_id: row.words for row in rows}


def _nearest(path: str, said: Mapping[int, object]) -> int | None:
    ids = [int(part) for part in path.split("/") if part]
    return next((place_id for place_id in reversed(ids) if place_id in said), None)


async def spoken(session: AsyncSession, by: StaffView) -> list[Spoken]:
    """Return the districts and schools whose words a person may change, each with its words."""
    rows = await session.scalars(
        select(Place)
        .where(
            Place.id.in_(rights.places_for(by, CHANGE)),
            Place.kind.in_(("district", "school")),
            Place.state == "open",
        )
        .order_by(Place.path)
    )
    said = await _said(session)
    found = list(rows)
    above = {part for place in found for part in places.path_ids(place)}
    known = await session.execute(select(Place.id, Place.name).where(Place.id.in_(above)))
    names = {row.id: row.name for row in known}
    return [_spoken(place, said, names) for place in found]


def _spoken(
    place: Place, said: Mapping[int, Mapping[str, str]], names: Mapping[int, str]
) -> Spoken:
    near = _nearest(place.path, said)
    words = packaged() if near is None else {**packaged(), **said[near]}
    own = near == place.id
    above = "" if near is None or own else names.get(near, "")
    return Spoken(place.id, place.name, place.kind, words, own, above)


async def change(
    session: AsyncSession,
    by: StaffView,
    place_id: int | None,
    words: Mapping[str, str],
    *,
    now: datetime,
) -> None:
    """Say what a place calls the levels from now on; no case and no clock changes by it.

    Raises:
        NotAllowed: the person may not say so there.
        InputInvalid: a word is missing, too long, holds brackets, or stands for two levels;
            `field` is the code of the level.
    """
    rights.require(by, CHANGE, place_id)
    wanted = {code: words.get(code, "").strip() for code in NAMED}
    for code, word in wanted.items():
        if not word or len(word) > LONGEST or _TOO_MUCH & set(word) or not word.isprintable():
            raise InputInvalid("a short plain word is needed", field=code)
        if list(wanted.values()).count(word) > 1:
            raise InputInvalid("two levels have one word", field=code)
    row = {"place_id": place_id, "words": wanted, "made_by": by.id, "made_at": now}
    insert = dialect_of(session).insert(_WORDS).values(row)
    await session.execute(insert.on_conflict_do_update(index_elements=["place_id"], set_=row))
    await _record(session, by, place_id, now)


async def forget(
    session: AsyncSession, by: StaffView, place_id: int | None, *, now: datetime
) -> None:
    """Take a place's own words back; those of the place above count again.

    Raises:
        NotAllowed: the person may not say so there.
    """
    rights.require(by, CHANGE, place_id)
    await session.execute(delete(LevelWords).where(LevelWords.place_id == place_id))
    await _record(session, by, place_id, now)


async def _record(
    session: AsyncSession, by: StaffView, place_id: int | None, now: datetime
) -> None:
    await audit.record(
        session,
        staff_id=by.id,
        action=CHANGE,
        object_kind="place",
        object_id=place_id,
        now=now,
    )
