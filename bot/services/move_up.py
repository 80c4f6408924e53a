"""September: the grades of a school go up by one and the last one graduates, all at once.

Called by `/admin/tree/move-up`. First a plan is shown, grade by grade; whoever agrees sends it back
with what they decided and a digest of what they saw. Once a school year: a second time changes
nothing.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core import grade_names
from bot.core.clock import to_shanghai
from bot.core.errors import InputInvalid
from bot.core.grade_names import Grade
from bot.db.models import Place, PlaceChange
from bot.db.models.place import GRADUATED, OPEN
from bot.services import rights, tree, tree_log, tree_people
from bot.services.staff import StaffView
from bot.services.tree_log import TreeConflict

Decision = Literal["up", "graduate", "stay"]
DECISIONS: tuple[Decision, ...] = ("up", "graduate", "stay")
# Schools prepare the new year in August; what is done before counts for the year that ends.
_YEAR_BEGINS = 8
_USUAL_MONTHS = (7, 8, 9, 10)


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one place.

    Args:
        becomes: its name afterwards, where it goes up.
        children: how many are in it.
    """

    place: Place
    becomes: str
    children: int


@dataclass(frozen=True, slots=True)
class Group:
    """One grade: its own place, where there is one, and its classes.

    Args:
        becomes: empty where its children leave the school, or where nobody can tell.
        decision: what is proposed.
        new: made in this school year, so it is there already.
    """

    key: str
    name: str
    becomes: str
    decision: Decision
    steps: tuple[Step, ...]
    new: bool

    @property
    def children(self) -> int:
        """Return how many children it has."""
        return sum(step.children for step in self.steps)


@dataclass(frozen=True, slots=True)
class Plan:
    """What September would do to a school.

    Args:
        loose: classes whose name says no grade; nothing happens to them.
        digest: of what was shown; the tree may not have changed until the plan is carried out.
        done: the change of this school year that stands, if it was carried out.
        unusual: it is not the season.
    """

    school: Place
    year: int
    groups: tuple[Group, ...]
    loose: tuple[Step, ...]
    digest: str
    done: PlaceChange | None
    unusual: bool


def school_year(now: datetime) -> int:
    """Return the year in which the school year of a moment began, in China."""
    local = to_shanghai(now)
    return local.year if local.month >= _YEAR_BEGINS else local.year - 1


async def schools(session: AsyncSession, by: StaffView) -> list[Place]:
    """Return the schools that a person may move up."""
    rows = await session.scalars(
        select(Place)
        .where(
            Place.id.in_(rights.places_for(by, "place.move_up")),
            Place.kind == "school",
            Place.state == OPEN,
        )
        .order_by(Place.id)
    )
    return list(rows)


async def plan(session: AsyncSession, by: StaffView, school_id: int, *, now: datetime) -> Plan:
    """Return what September would do to a school.

    Raises:
        NotAllowed: the school is not theirs.
        InputInvalid: the place is no school.
    """
    rights.require(by, "place.move_up", school_id)
    school = await session.get_one(Place, school_id, populate_existing=True)
    if school.kind != "school":
        raise InputInvalid("school", field="school")
    rows = await session.scalars(
        select(Place)
        .where(
            Place.path.startswith(school.path),
            Place.kind.in_(("grade", "class")),
            Place.state == OPEN,
        )
        .order_by(Place.id)
        .execution_options(populate_existing=True)
    )
    places = list(rows)
    counts = await tree.children_at(session, [place.id for place in places])
    fresh = await _made_since(session, places, now)
    grouped, loose = _grouped(places, fresh)
    return Plan(
        school,
        school_year(now),
        _groups(grouped, counts, fresh),
        tuple(Step(place, "", counts.get(place.id, 0)) for place in loose),
        _digest(places, counts),
        await _done(session, school.id, school_year(now)),
        to_shanghai(now).month not in _USUAL_MONTHS,
    )


def _grouped(
    places: Sequence[Place], fresh: frozenset[int]
) -> tuple[dict[str, list[Place]], list[Place]]:
    """Sort places by grade; a class in a grade goes with it, whatever it is called.

    A class that was made this year already has this year's name: it is not among the others.
    """
    grades = {place.id for place in places if place.kind == "grade"}
    grouped: dict[str, list[Place]] = {}
    loose = []
    for place in places:
        if place.kind == "grade":
            grouped.setdefault(f"p{place.id}", []).insert(0, place)
        elif place.parent_id in grades:
            grouped.setdefault(f"p{place.parent_id}", []).append(place)
        elif (grade := grade_names.read(place.name)) is not None:
            key = f"{grade.key}.new" if place.id in fresh else grade.key
            grouped.setdefault(key, []).append(place)
        else:
            loose.append(place)
    return grouped, loose


def _groups(
    grouped: Mapping[str, Sequence[Place]], counts: Mapping[int, int], fresh: frozenset[int]
) -> tuple[Group, ...]:
    read = {key: grade_names.read(places[0].name) for key, places in grouped.items()}
    others = [grade for grade in read.values() if grade is not None]
    found = []
    for key, places in grouped.items():
        new = all(place.id in fresh for place in places)
        found.append(_group(key, places, read[key], others, counts, new))
    return tuple(sorted(found, key=lambda group: _order(read[group.key])))


def _group(
    key: str,
    places: Sequence[Place],
    grade: Grade | None,
    others: Sequence[Grade],
    counts: Mapping[int, int],
    new: bool,
) -> Group:
    after = grade_names.following(grade, others) if grade else None
    steps = tuple(
        Step(place, _later_name(place.name, grade, others), counts.get(place.id, 0))
        for place in places
    )
    proposed: Decision = "graduate" if grade and after is None else "up"
    if grade is None or new:
        proposed = "stay"
    name = places[0].name if places[0].kind == "grade" or grade is None else grade.word
    return Group(key, name, after.word if after else "", proposed, steps, new)


def _later_name(name: str, group: Grade | None, others: Sequence[Grade]) -> str:
    """Return a place's name a year later; a class that names no grade keeps its own."""
    grade = grade_names.read(name)
    if group is None or grade is None or grade.key != group.key:
        return name
    after = grade_names.following(grade, others)
    return after.name if after else name


def _order(grade: Grade | None) -> tuple[bool, str, int]:
    return grade is None, grade.stage if grade else "", grade.number if grade else 0


async def _made_since(
    session: AsyncSession, places: Sequence[Place], now: datetime
) -> frozenset[int]:
    """Return which places were made in this school year."""
    rows = await session.execute(
        select(PlaceChange.place_id, PlaceChange.at).where(
            PlaceChange.place_id.in_([place.id for place in places]),
            PlaceChange.kind == tree_log.CREATE,
        )
    )
    return frozenset(place for place, at in rows if school_year(at) == school_year(now))


def _digest(places: Sequence[Place], counts: Mapping[int, int]) -> str:
    seen = [f"{p.id}:{p.row_version}:{counts.get(p.id, 0)}" for p in places]
    return hashlib.sha256("\n".join(seen).encode()).hexdigest()[:32]


def _batch(school_id: int, year: int) -> str:
    return f"up:{school_id}:{year}:"


async def _done(session: AsyncSession, school_id: int, year: int) -> PlaceChange | None:
    query = select(PlaceChange).where(
        PlaceChange.batch.startswith(_batch(school_id, year)), PlaceChange.undone_at.is_(None)
    )
    return await session.scalar(query.order_by(PlaceChange.id).limit(1))


async def carry_out(
    session: AsyncSession,
    by: StaffView,
    school_id: int,
    *,
    decisions: Mapping[str, str],
    digest: str,
    now: datetime,
) -> PlaceChange:
    """Move a school up as decided; when it was done this year already, change nothing.

    Args:
        decisions: by the key of a group; what is not named stays.
        digest: that of the plan the person saw.

    Returns:
        A change of the batch, by which it can be undone.

    Raises:
        NotAllowed: the school is not theirs.
        InputInvalid: a decision that does not go, or none at all.
        TreeConflict: the tree has changed meanwhile, or two places would have one name.
    """
    rights.require(by, "place.move_up", school_id)
    school = await tree_log.lock(session, school_id)
    now_planned = await plan(session, by, school_id, now=now)
    if now_planned.done is not None:
        return now_planned.done
    if now_planned.digest != digest:
        raise TreeConflict("tree")
    chosen = [(group, _decision(group, decisions)) for group in now_planned.groups]
    _check_clashes(chosen, now_planned.loose)
    batch = await _next_batch(session, school_id, now_planned.year)
    tally = {"up": 0, "graduate": 0, "children": 0}
    for group, decision in chosen:
        for step in group.steps if decision != "stay" else ():
            await _take(session, by, step, decision, batch, now)
            tally[decision] += 1
            tally["children"] += step.children if decision == "graduate" else 0
    done = await _done(session, school_id, now_planned.year)
    if done is None:
        raise InputInvalid("nothing", field="decisions")
    await tree.note(session, by, tree_log.MOVE_UP, school, batch, now, **tally)
    return done


def _decision(group: Group, decisions: Mapping[str, str]) -> Decision:
    wanted = decisions.get(group.key, "stay")
    for decision in DECISIONS:
        if decision == wanted and not (decision == "up" and not group.becomes):
            return decision
    raise InputInvalid("decision", field=group.key)


def _check_clashes(chosen: Sequence[tuple[Group, Decision]], loose: Sequence[Step]) -> None:
    """Refuse a plan after which two open places side by side have one name."""
    names = [(step.place.parent_id, step.place.name) for step in loose]
    for group, decision in chosen:
        if decision != "graduate":
            names += [
                (step.place.parent_id, step.becomes if decision == "up" else step.place.name)
                for step in group.steps
            ]
    if len(set(names)) != len(names):
        raise TreeConflict("name")


async def _next_batch(session: AsyncSession, school_id: int, year: int) -> str:
    """Return a batch's name that says school and year; the number counts what was undone."""
    start = _batch(school_id, year)
    query = select(PlaceChange.batch).where(PlaceChange.batch.startswith(start)).distinct()
    return f"{start}{len(list(await session.scalars(query))) + 1}"


async def _take(
    session: AsyncSession,
    by: StaffView,
    step: Step,
    decision: Decision,
    batch: str,
    now: datetime,
) -> None:
    if decision == "graduate":
        await _graduate(session, by, step.place, batch, now)
        return
    stage = grade_names.stage_of(step.becomes) or step.place.stage
    await tree_log.change(
        session,
        step.place,
        kind=tree_log.MOVE_UP,
        after={"name": step.becomes, "stage": stage},
        batch=batch,
        staff_id=by.id,
        now=now,
    )


async def _graduate(
    session: AsyncSession, by: StaffView, place: Place, batch: str, now: datetime
) -> None:
    """Let a class or a grade leave with its children and its parents' committee."""
    beside = await session.scalars(
        select(Place).where(
            Place.parent_id == place.id, Place.kind == "committee", Place.state == OPEN
        )
    )
    for one in (place, *beside):
        await tree_log.change(
            session,
            one,
            kind=tree_log.GRADUATE,
            after={"state": GRADUATED},
            batch=batch,
            staff_id=by.id,
            now=now,
            people={"children": await tree_people.leave(session, one.id, now)},
        )
