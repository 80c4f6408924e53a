"""How many people agreed, refused or took back, by place: numbers without names.

A number under five is not shown, and neither is one from which such a number could be reckoned by
subtracting. Called by `/admin/consents` and `/admin/requests`.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import NotFound
from bot.core.phrases import PhraseBook
from bot.db.models import Consent, Contact, Place
from bot.services import consents, rights
from bot.services.places import path_ids
from bot.services.staff import StaffView

RIGHT = "consent.read"
SMALLEST = 5
STATES = ("standing", "older", "refused", "withdrawn")
# A number that is not shown: it is small, or it would give a small one away.
SMALL, COVERED = "small", "covered"

Cell = int | str


@dataclass(frozen=True, slots=True)
class Line:
    """One place with its numbers.

    Args:
        depth: how far below the place that was asked for.
        cells: by kind and state: a number, `small` or `covered`.
    """

    place: Place
    depth: int
    below: int
    cells: Mapping[tuple[str, str], Cell]

    def cell(self, kind: str, state: str) -> Cell:
        """Return one number, or why it is not shown."""
        return self.cells[kind, state]


_Counts = Mapping[tuple[str, str], int]


async def lines(
    session: AsyncSession,
    by: StaffView,
    phrases: PhraseBook,
    *,
    place_id: int | None = None,
    deep: bool = False,
) -> list[Line]:
    """Return a place with what is directly below it, each with its numbers.

    Args:
        place_id: None: the topmost places of the person.
        deep: everything below, for a file.

    Raises:
        NotFound: the person has nothing to do with that place.
    """
    seen = rights.places_for(by, RIGHT)
    if place_id is not None and place_id not in seen:
        raise NotFound(f"place {place_id}")
    rows = await session.scalars(select(Place).where(Place.id.in_(seen)).order_by(Place.path))
    places = {place.id: place for place in rows.all()}
    shown = _covered(places, await _sums(session, places.values(), phrases))
    tops = [places[place_id]] if place_id else [p for p in places.values() if _top(p, places)]
    below = _below(places)
    found: list[Line] = []
    for top in sorted(tops, key=lambda place: place.path):
        _add(found, top, 0, below, shown, deep=deep)
    return found


def _add(
    found: list[Line],
    place: Place,
    depth: int,
    below: Mapping[int, Sequence[Place]],
    shown: Mapping[int, Mapping[tuple[str, str], Cell]],
    *,
    deep: bool,
) -> None:
    under = below.get(place.id, ())
    found.append(Line(place, depth, len(under), shown[place.id]))
    if depth == 0 or deep:
        for one in under:
            _add(found, one, depth + 1, below, shown, deep=deep)


def _top(place: Place, places: Mapping[int, Place]) -> bool:
    return not any(above in places for above in path_ids(place)[:-1])


def _below(places: Mapping[int, Place]) -> dict[int, list[Place]]:
    below: dict[int, list[Place]] = defaultdict(list)
    for place in places.values():
        if place.parent_id is not None and place.parent_id in places:
            below[place.parent_id].append(place)
    return below


async def total(
    session: AsyncSession, place_ids: Collection[int], phrases: PhraseBook
) -> Mapping[str, Cell]:
    """Return how many contacts of places stand by each kind."""
    own = await _own(session, place_ids, phrases)
    sums = {
        kind: sum(counts.get((kind, "standing"), 0) for counts in own.values())
        for kind in consents.KINDS
    }
    return {kind: SMALL if count < SMALLEST else count for kind, count in sums.items()}


async def _own(
    session: AsyncSession, place_ids: Collection[int], phrases: PhraseBook
) -> dict[int, dict[tuple[str, str], int]]:
    """Count contacts by place, kind and what they said last of themselves."""
    query = (
        select(
            Contact.place_id,
            Consent.contact_id,
            Consent.kind,
            Consent.version,
            Consent.withdrawn_at,
            Consent.refused,
        )
        .join(Contact, Contact.id == Consent.contact_id)
        .where(Consent.child_id.is_(None), Contact.place_id.in_(place_ids))
        .order_by(Consent.id)
    )
    newest = {(row.contact_id, row.kind): row for row in await session.execute(query)}
    counts: dict[int, dict[tuple[str, str], int]] = defaultdict(lambda: defaultdict(int))
    for row in newest.values():
        at = counts[row.place_id]
        if row.withdrawn_at is not None:
            at[row.kind, "refused" if row.refused else "withdrawn"] += 1
            continue
        at[row.kind, "standing"] += 1
        if row.version < consents.version_of(phrases, row.kind):
            at[row.kind, "older"] += 1
    return counts


async def _sums(
    session: AsyncSession, places: Iterable[Place], phrases: PhraseBook
) -> dict[int, _Counts]:
    """Return the counts of each place with everything below it."""
    places = list(places)
    own = await _own(session, [place.id for place in places], phrases)
    sums: dict[int, dict[tuple[str, str], int]] = {place.id: defaultdict(int) for place in places}
    for place in places:
        for above in path_ids(place):
            if above in sums:
                for cell, count in own.get(place.id, {}).items():
                    sums[above][cell] += count
    return dict(sums)


def _covered(
    places: Mapping[int, Place], sums: Mapping[int, _Counts]
) -> dict[int, dict[tuple[str, str], Cell]]:
    """Hide what is small, and next to a single small number the smallest one that is not.

    A shown sum less the shown parts would otherwise be the one number that is hidden; and a hidden
    sum may not be added up from its parts. So it goes from the top of the tree downwards.
    """
    cells = [(kind, state) for kind in consents.KINDS for state in STATES]
    shown: dict[int, dict[tuple[str, str], Cell]] = {}
    for place_id, counts in sums.items():
        found = ((cell, counts.get(cell, 0)) for cell in cells)
        shown[place_id] = {cell: SMALL if n < SMALLEST else n for cell, n in found}
    below = _below(places)
    for parent in sorted(places.values(), key=lambda place: len(path_ids(place))):
        for cell in cells:
            _cover(parent, below.get(parent.id, ()), cell, shown, sums)
    return shown


def _cover(
    parent: Place,
    siblings: Sequence[Place],
    cell: tuple[str, str],
    shown: dict[int, dict[tuple[str, str], Cell]],
    sums: Mapping[int, _Counts],
) -> None:
    """Hide one part more where the hidden ones could be reckoned from the sum or the parts."""
    rest = [one for one in siblings if isinstance(shown[one.id][cell], int)]
    hidden = len(siblings) - len(rest)
    told = isinstance(shown[parent.id][cell], int)
    if rest and (hidden == 1 if told else hidden == 0):
        least = min(rest, key=lambda one: sums[one.id].get(cell, 0))
        shown[least.id][cell] = COVERED
