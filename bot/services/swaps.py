"""Swaps: one shift is given to a colleague. Asked, agreed to, approved; then it changes its person.

    asked → agreed → approved
      └────────┴──→ refused (by the colleague or the keeper) · withdrawn (by who asked) · over

Each step is one update that names the state before it, so that of two at once one is told. Called
by the pages of the roster. Nobody approves a swap that they take part in.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, InputInvalid, NotAllowed, NotFound
from bot.db.models import Place, Shift, ShiftSwap
from bot.db.models.duty import AGREED, APPROVED, ASKED, REFUSED
from bot.services import audit, rights, shifts, waking
from bot.services.staff import StaffView

WITHDRAWN, OVER = "withdrawn", "over"
PENDING = (ASKED, AGREED)


@dataclass(frozen=True, slots=True)
class Line:
    """A swap with its shift."""

    row: ShiftSwap
    shift: Shift
    place: Place


async def ask(
    session: AsyncSession, by: StaffView, shift_id: int, *, to_id: int, now: datetime
) -> ShiftSwap:
    """Ask a colleague to take over one's own shift; asking the same one twice is one.

    Raises:
        NotFound: no such shift of theirs.
        InputInvalid: nobody who may be on duty there, or themself.
        Conflict: `over` (it has begun), `asked` (somebody else was asked already) or `overlap`.
    """
    rights.require_somewhere(by, "roster.own")
    shift = await session.get(Shift, shift_id, with_for_update=True, populate_existing=True)
    if shift is None or shift.staff_id != by.id:
        raise NotFound("no such shift of theirs")
    if shift.starts_at <= now:
        raise Conflict("over")
    if to_id == by.id:
        raise InputInvalid("nobody", field="staff")
    place = await session.get_one(Place, shift.place_id)
    await shifts.qualified(session, place, to_id, now)
    pending = await session.scalar(
        select(ShiftSwap).where(ShiftSwap.shift_id == shift.id, ShiftSwap.state.in_(PENDING))
    )
    if pending is not None:
        if pending.to_id == to_id:
            return pending
        raise Conflict("asked")
    await _refuse_overlap(session, to_id, shift)
    row = ShiftSwap(shift_id=shift.id, from_id=by.id, to_id=to_id, state=ASKED, asked_at=now)
    session.add(row)
    await session.flush()
    await _note(session, by, "roster.swap_asked", row, now)
    return row


async def agree(session: AsyncSession, by: StaffView, swap_id: int, *, now: datetime) -> ShiftSwap:
    """Agree to take a shift over.

    Raises:
        NotFound: nobody asked them.
        Conflict: `changed` (not open any more), `over` or `overlap`.
    """
    row, shift = await _of(session, swap_id)
    if row.to_id != by.id:
        raise NotFound("no such swap for them")
    if row.state == AGREED:
        return row
    await _refuse_late(shift, now)
    await _refuse_overlap(session, by.id, shift)
    await _step(session, row, (ASKED,), AGREED, agreed_at=now)
    await _note(session, by, "roster.swap_agreed", row, now)
    return row


async def refuse(session: AsyncSession, by: StaffView, swap_id: int, *, now: datetime) -> ShiftSwap:
    """Say no: the colleague who was asked, or whoever keeps the roster.

    Raises:
        NotFound: no such swap within their reach.
        Conflict: `changed`.
    """
    row, shift = await _of(session, swap_id)
    if row.to_id != by.id and not rights.may(by, "roster.change", shift.place_id):
        raise NotFound("no such swap for them")
    await _settle(session, by, row, REFUSED, now)
    return row


async def withdraw(
    session: AsyncSession, by: StaffView, swap_id: int, *, now: datetime
) -> ShiftSwap:
    """Take back what one asked, as long as nobody approved it.

    Raises:
        NotFound: they did not ask it.
        Conflict: `changed`.
    """
    row, _ = await _of(session, swap_id)
    if row.from_id != by.id:
        raise NotFound("no such swap of theirs")
    await _settle(session, by, row, WITHDRAWN, now)
    return row


async def approve(
    session: AsyncSession, by: StaffView, swap_id: int, *, now: datetime
) -> ShiftSwap:
    """Approve a swap that both have agreed to; the shift changes its person in the same moment.

    Raises:
        NotFound: no such swap within their reach.
        NotAllowed: it is their own.
        InputInvalid: the colleague may not be on duty there any more.
        Conflict: `changed`, `over` or `overlap`.
    """
    row, shift = await _of(session, swap_id)
    place = await shifts.place_to(session, by, "roster.change", shift.place_id)
    if by.id in (row.from_id, row.to_id):
        raise NotAllowed("not one's own swap")
    if row.state == APPROVED:
        return row
    await _refuse_late(shift, now)
    if shift.staff_id != row.from_id:
        raise Conflict("changed")
    await shifts.qualified(session, place, row.to_id, now)
    await _refuse_overlap(session, row.to_id, shift)
    await _step(session, row, (AGREED,), APPROVED, settled_at=now, settled_by=by.id)
    shift.staff_id = row.to_id
    shift.wakes = await waking.wakes(session, row.to_id)
    await session.flush()
    await _note(session, by, "roster.swap_approved", row, now)
    return row


async def waiting_for(session: AsyncSession, by: StaffView, now: datetime) -> list[Line]:
    """Return the open swaps that a person takes part in or may approve, the next shift first."""
    kept = rights.places_for(by, "roster.change")
    rows = await session.execute(
        select(ShiftSwap, Shift, Place)
        .join(Shift, Shift.id == ShiftSwap.shift_id)
        .join(Place, Place.id == Shift.place_id)
        .where(
            ShiftSwap.state.in_(PENDING),
            Shift.starts_at > now,
            or_(
                ShiftSwap.from_id == by.id,
                ShiftSwap.to_id == by.id,
                Shift.place_id.in_(kept),
            ),
        )
        .order_by(Shift.starts_at, ShiftSwap.id)
    )
    return [Line(row, shift, place) for row, shift, place in rows]


async def expire(session: AsyncSession, now: datetime) -> int:
    """Mark the swaps as over whose shift has begun without them; return how many."""
    late = select(Shift.id).where(Shift.starts_at <= now)
    rows = await session.scalars(
        update(ShiftSwap)
        .where(ShiftSwap.state.in_(PENDING), ShiftSwap.shift_id.in_(late))
        .values(state=OVER, settled_at=now)
        .returning(ShiftSwap.id)
    )
    return len(rows.all())


async def _of(session: AsyncSession, swap_id: int) -> tuple[ShiftSwap, Shift]:
    row = await session.get(ShiftSwap, swap_id)
    if row is None:
        raise NotFound("no such swap")
    # The shift's row is what two who settle at once wait for.
    shift = await session.get_one(Shift, row.shift_id, with_for_update=True, populate_existing=True)
    await session.refresh(row)
    return row, shift


async def _step(
    session: AsyncSession, row: ShiftSwap, before: tuple[str, ...], state: str, **values: object
) -> None:
    changed = await session.scalar(
        update(ShiftSwap)
        .where(ShiftSwap.id == row.id, ShiftSwap.state.in_(before))
        .values(state=state, **values)
        .returning(ShiftSwap.id)
    )
    await session.refresh(row)
    if changed is None:
        raise Conflict("changed")


async def _settle(
    session: AsyncSession, by: StaffView, row: ShiftSwap, state: str, now: datetime
) -> None:
    if row.state == state:
        return
    await _step(session, row, PENDING, state, settled_at=now, settled_by=by.id)
    await _note(session, by, f"roster.swap_{state}", row, now)


async def _refuse_late(shift: Shift, now: datetime) -> None:
    if shift.starts_at <= now:
        raise Conflict("over")


async def _refuse_overlap(session: AsyncSession, staff_id: int, shift: Shift) -> None:
    if await shifts.overlapping(session, staff_id, shift.starts_at, shift.ends_at, but=shift.id):
        raise Conflict("overlap")


async def _note(
    session: AsyncSession, by: StaffView, action: str, row: ShiftSwap, now: datetime
) -> None:
    await audit.record(
        session,
        staff_id=by.id,
        action=action,
        object_kind="shift_swap",
        object_id=row.id,
        now=now,
        data={"shift": row.shift_id, "from": row.from_id, "to": row.to_id},
    )
