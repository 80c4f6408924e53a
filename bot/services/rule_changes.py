"""Messages whose level would be another one: kept without their words, counted, shown, forgotten.

Called by the inbox (shadow), by the replay, by the rules' pages, and when a contact's words are
erased.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import InputInvalid
from bot.core.levels import ESCALATED, rank
from bot.db.models import Assessment, Contact, Message, RuleChange, RuleReplay, RuleSet
from bot.services import audit, rights
from bot.services.screening import Shadowed
from bot.services.staff import StaffView
from knowledge.risk import Level
from knowledge.risk.compare import Difference

PAGE = 20
WAYS = ("escalated", "released", "raised", "lowered")
WHY = ("before_publishing", "false_alarm", "missed", "supervision")
_PAIRS = [(live.value, new.value) for live in Level for new in Level if live is not new]
Counts = Mapping[str, Any]


def ways_of(live: str, new: str) -> list[str]:
    """Return what a change of level is called: raised or lowered, and whether it crosses 2."""
    ways = ["raised" if rank(new) > rank(live) else "lowered"]
    if (live in ESCALATED) != (new in ESCALATED):
        ways.append("escalated" if new in ESCALATED else "released")
    return ways


def row_of(
    found: Difference, *, rule_set_id: int, replay_id: int | None, message_id: int, now: datetime
) -> RuleChange:
    """Return a difference as its row: levels, categories and rules, no words."""
    return RuleChange(
        rule_set_id=rule_set_id,
        replay_id=replay_id,
        message_id=message_id,
        live_level=found.live.value,
        new_level=found.new.value,
        categories=list(found.categories),
        rule_ids={"gained": list(found.gained), "lost": list(found.lost)},
        created_at=now,
    )


def note(session: AsyncSession, shadowed: Shadowed, message_id: int, now: datetime) -> None:
    """Keep what the rule set in shadow says otherwise of a message that is being stored."""
    if shadowed.difference is not None:
        session.add(
            row_of(
                shadowed.difference,
                rule_set_id=shadowed.rule_set_id,
                replay_id=None,
                message_id=message_id,
                now=now,
            )
        )


def count(changes: Iterable[tuple[str, str, Sequence[str]]], before: Counts) -> dict[str, Any]:
    """Add changes (level now, new level, categories) to earlier counts.

    Returns:
        How many go each way; `levels` by `0>2`; `categories` by code, each by way.
    """
    ways = Counter({way: int(before.get(way, 0)) for way in WAYS})
    levels: Counter[str] = Counter(before.get("levels", {}))
    by_category = {name: Counter(found) for name, found in before.get("categories", {}).items()}
    for live, new, categories in changes:
        which = ways_of(live, new)
        ways.update(which)
        levels[f"{live}>{new}"] += 1
        by_category.setdefault(categories[0] if categories else "NONE", Counter()).update(which)
    named = {name: dict(found) for name, found in by_category.items()}
    return {**{way: ways[way] for way in WAYS}, "levels": dict(levels), "categories": named}


async def shadow_counts(session: AsyncSession, rule_set: RuleSet) -> tuple[int, dict[str, Any]]:
    """Return how many messages came since a set went into shadow, and what would have changed."""
    if rule_set.shadow_since is None:
        return 0, count((), {})
    judged = await session.scalar(
        select(func.count(Assessment.id)).where(Assessment.created_at >= rule_set.shadow_since)
    )
    rows = await session.execute(
        select(RuleChange.live_level, RuleChange.new_level, RuleChange.categories).where(
            RuleChange.rule_set_id == rule_set.id, RuleChange.replay_id.is_(None)
        )
    )
    return judged or 0, count(((row[0], row[1], row[2]) for row in rows), {})


@dataclass(frozen=True, slots=True)
class ShownText:
    """One message with its words, and what would become of it."""

    at: datetime
    text: str
    live: str
    new: str
    categories: tuple[str, ...]
    gained: tuple[str, ...]
    lost: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Texts:
    """A page of messages, from 1; `total` counts those that this person may read."""

    rows: tuple[ShownText, ...]
    page: int
    total: int

    @property
    def pages(self) -> int:
        """Return how many pages there are."""
        return max(1, -(-self.total // PAGE))


async def texts(
    session: AsyncSession,
    viewer: StaffView,
    rule_set: RuleSet,
    *,
    replay: RuleReplay | None,
    way: str,
    page: int,
    why: str,
    now: datetime,
) -> Texts:
    """Return the words of messages whose level would change, and write that into the trail.

    Args:
        replay: which replay found them; None: the rule set in shadow did.
        way: one of `WAYS`, or empty for all.
        why: one of `WHY`.

    Raises:
        NotAllowed: the person may not read other schools' words.
        InputInvalid: no reason of the list was given.
    """
    rights.require_somewhere(viewer, "rules.publish")
    if why not in WHY:
        raise InputInvalid("why", field="why")
    query = _readable(viewer, rule_set, replay, way)
    total = await session.scalar(select(func.count()).select_from(query.subquery())) or 0
    page = min(max(1, page), max(1, -(-total // PAGE)))
    found = await session.execute(
        query.order_by(RuleChange.id.desc()).limit(PAGE).offset((page - 1) * PAGE)
    )
    rows = tuple(_shown(change, message) for change, message in found)
    await audit.record(
        session,
        staff_id=viewer.id,
        action="rules.texts_read",
        object_kind="rule_set",
        object_id=rule_set.id,
        now=now,
        data={
            "count": len(rows),
            "page": page,
            "way": way,
            "why": why,
            "replay": replay.id if replay else None,
        },
    )
    return Texts(rows, page, total)


def _readable(
    viewer: StaffView, rule_set: RuleSet, replay: RuleReplay | None, way: str
) -> Select[RuleChange, Message]:
    """Choose the changes of one source that lie in the viewer's own district."""
    mine: ColumnElement[bool] = or_(
        Contact.place_id.is_(None), Contact.place_id.in_(viewer.at("district"))
    )
    source = RuleChange.replay_id.is_(None) if replay is None else RuleChange.replay_id == replay.id
    query = (
        select(RuleChange, Message)
        .join(Message, Message.id == RuleChange.message_id)
        .join(Contact, Contact.id == Message.contact_id)
        .where(RuleChange.rule_set_id == rule_set.id, source, mine)
    )
    if way:
        pairs = [pair for pair in _PAIRS if way in ways_of(*pair)]
        query = query.where(tuple_(RuleChange.live_level, RuleChange.new_level).in_(pairs))
    return query


def _shown(change: RuleChange, message: Message) -> ShownText:
    return ShownText(
        message.received_at,
        message.text,
        change.live_level,
        change.new_level,
        tuple(change.categories),
        tuple(change.rule_ids.get("gained", ())),
        tuple(change.rule_ids.get("lost", ())),
    )


async def forget(session: AsyncSession, messages: Select[int]) -> None:
    """Delete what would change about messages whose words are erased."""
    await session.execute(delete(RuleChange).where(RuleChange.message_id.in_(messages)))
