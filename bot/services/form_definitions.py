"""Which form counts where: the packaged one, or a version of a school or a district.

Called by `forms` and by the page `/desk/forms`. The nearest place upward with a version of its own
counts; every version is kept. A version without fields gives the form back to what stands above.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.db.models import FormDefinition, Place
from bot.services import audit, places, rights
from bot.services.form_fields import Field, parse
from bot.services.staff import StaffView

# In the order in which a counselor comes to need them.
FORMS = (
    "contact",
    "risk",
    "cssrs",
    "safety_plan",
    "referral",
    "return_slip",
    "reporting",
    "wrap_up",
)
ADDENDUM = "addendum"
CHANGE = "form.change"


@dataclass(frozen=True, slots=True)
class Packaged:
    """A form as it comes with the service."""

    kind: str
    title: str
    what: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class InForce:
    """The form that counts at a place.

    Args:
        version_id: of the row; None for the packaged form.
        place_id: whose version it is; None for the packaged form.
    """

    kind: str
    fields: tuple[Field, ...]
    version_id: int | None = None
    place_id: int | None = None
    version: int = 0


@cache
def packaged() -> Mapping[str, Packaged]:
    """Return the packaged forms by kind, the addendum's among them.

    Raises:
        InputInvalid: a packaged form is broken.
    """
    found: dict[str, Packaged] = {}
    for kind in (*FORMS, ADDENDUM):
        source = files("bot.services").joinpath(f"packaged_forms/{kind}.toml")
        data = tomllib.loads(source.read_text("utf-8"))
        found[kind] = Packaged(kind, data["title"], data["what"], parse(data["field"]))
    return MappingProxyType(found)


def titles() -> dict[str, str]:
    """Return the title of each form."""
    return {kind: form.title for kind, form in packaged().items()}


async def in_force(session: AsyncSession, place_id: int | None, kind: str) -> InForce:
    """Return the form that counts at a place; without a place the packaged one.

    Raises:
        NotFound: there is no such form.
    """
    if kind not in packaged():
        raise NotFound(f"form {kind}")
    place = await places.get(session, place_id)
    path = places.path_ids(place) if place else []
    newest = await _newest(session, path, kind)
    for above in reversed(path):
        row = newest.get(above)
        if row is not None and row.fields:
            return InForce(kind, parse(row.fields), row.id, above, row.version)
    return InForce(kind, packaged()[kind].fields)


async def _newest(
    session: AsyncSession, place_ids: Sequence[int], kind: str
) -> dict[int, FormDefinition]:
    query = select(FormDefinition).where(
        FormDefinition.kind == kind, FormDefinition.place_id.in_(place_ids)
    )
    rows = await session.scalars(query.order_by(FormDefinition.version))
    return {row.place_id: row for row in rows}


async def versions(session: AsyncSession, place_id: int, kind: str) -> Sequence[FormDefinition]:
    """Return the versions that a place made of a form, newest first."""
    query = select(FormDefinition).where(
        FormDefinition.kind == kind, FormDefinition.place_id == place_id
    )
    return (await session.scalars(query.order_by(FormDefinition.version.desc()))).all()


async def changeable(session: AsyncSession, by: StaffView) -> Sequence[Place]:
    """Return the schools and districts whose forms a person may define, from the top down."""
    query = select(Place).where(
        Place.id.in_(rights.places_for(by, CHANGE)), Place.kind.in_(("district", "school"))
    )
    return (await session.scalars(query.order_by(Place.path))).all()


async def to_change(session: AsyncSession, by: StaffView, place_id: int, kind: str) -> Place:
    """Return a place whose form a person may define.

    Raises:
        NotFound: there is no such place or form within the person's reach.
    """
    place = await session.get(Place, place_id)
    if place is None or kind not in FORMS or not rights.may(by, CHANGE, place_id):
        raise NotFound(f"form {kind} at {place_id}")
    return place


async def save(
    session: AsyncSession,
    by: StaffView,
    place_id: int,
    kind: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    seen: int,
    now: datetime,
) -> FormDefinition:
    """Keep a new version of a place's form; no rows give it back to what stands above.

    Args:
        seen: the version that was changed, 0 for none: another one since then refuses this one.

    Raises:
        NotFound: out of the person's reach.
        InputInvalid: a field is wrong, or one that rules lean on is gone.
        Conflict: somebody has made a version meanwhile.
    """
    place = await to_change(session, by, place_id, kind)
    await session.get(Place, place.id, with_for_update=True)
    fields = parse(rows) if rows else ()
    if fields:
        _keep_fixed(kind, fields)
    query = select(func.max(FormDefinition.version)).where(
        FormDefinition.place_id == place_id, FormDefinition.kind == kind
    )
    newest = await session.scalar(query) or 0
    if newest != seen:
        raise Conflict("form_version")
    row = FormDefinition(
        place_id=place_id,
        kind=kind,
        version=newest + 1,
        fields=[field.row() for field in fields],
        made_by=by.id,
        made_at=now,
    )
    session.add(row)
    await session.flush()
    await audit.record(
        session,
        staff_id=by.id,
        action="form.defined" if fields else "form.given_back",
        object_kind="form_definition",
        object_id=row.id,
        now=now,
        data={"place": place_id, "kind": kind, "version": row.version},
    )
    return row


def _keep_fixed(kind: str, fields: Sequence[Field]) -> None:
    """Refuse a form that lost or loosened a field which rules and prints lean on."""
    given = {field.key: field for field in fields}
    for own in packaged()[kind].fields:
        if not own.fixed:
            continue
        field = given.get(own.key)
        codes = [code for code, _ in field.options] if field else []
        same = field is not None and (field.kind, field.required, field.only_if) == (
            own.kind,
            own.required,
            own.only_if,
        )
        if not same or codes != [code for code, _ in own.options]:
            raise InputInvalid("form_field_fixed", field=own.label)
