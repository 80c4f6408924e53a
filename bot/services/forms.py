"""The forms of a case: begin, write, sign, add to. What is signed is never changed.

Called by the pages of `bot.web.case_forms`, and by whoever needs to know which forms a case has
(`states`). Each signed form is a line of the case's timeline: `form_signed`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import to_shanghai
from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.db.models import Case, CaseEvent, CaseForm
from bot.db.models.file import DRAFT, SIGNED
from bot.services import audit, case_rights, form_definitions, form_fields
from bot.services.form_definitions import ADDENDUM, FORMS
from bot.services.form_fields import Field
from bot.services.live import publish
from bot.services.staff import StaffView


class Moved(Conflict):
    """Somebody else has written in the draft since it was opened; both texts have to be shown."""


def fields_of(form: CaseForm) -> tuple[Field, ...]:
    """Return the fields a form was filled in by."""
    return form_fields.parse(form.fields)


def signed_by(form: CaseForm, person: StaffView) -> bool:
    """Say whether this person has signed a form: then their second click changes nothing."""
    return form.state == SIGNED and form.author_id == person.id


async def begin(
    session: AsyncSession,
    by: StaffView,
    case: Case,
    kind: str,
    *,
    now: datetime,
    answers: Mapping[str, str] | None = None,
) -> CaseForm:
    """Return the case's draft of a form, a new one when there is none.

    Args:
        answers: what a new draft begins with.

    Raises:
        NotFound: the case is out of the person's reach, or there is no such form.
    """
    if kind not in FORMS:
        raise NotFound(f"form {kind}")
    return await _draft(session, by, case, kind, now=now, answers=answers or {}, amends=None)


async def amend(session: AsyncSession, by: StaffView, form_id: int, *, now: datetime) -> CaseForm:
    """Return the draft of an addendum to a signed form, a new one when there is none.

    Raises:
        NotFound: the form is out of the person's reach.
        Conflict: it is not signed, or an addendum itself.
    """
    form, case = await _to_work(session, by, form_id)
    if form.state != SIGNED or form.amends_id is not None:
        raise Conflict("form_not_signed")
    return await _draft(session, by, case, form.kind, now=now, answers={}, amends=form.id)


async def _draft(
    session: AsyncSession,
    by: StaffView,
    case: Case,
    kind: str,
    *,
    now: datetime,
    answers: Mapping[str, str],
    amends: int | None,
) -> CaseForm:
    await case_rights.to_work(session, by, case)
    # Two clicks, or two people at once, get one draft.
    await session.get(Case, case.id, with_for_update=True)
    found = await session.scalar(
        select(CaseForm).where(
            CaseForm.case_id == case.id,
            CaseForm.kind == kind,
            CaseForm.state == DRAFT,
            CaseForm.amends_id == amends,
        )
    )
    if found is not None:
        return found
    chosen = await form_definitions.in_force(
        session, case.place_id, kind if amends is None else ADDENDUM
    )
    form = CaseForm(
        case_id=case.id,
        kind=kind,
        definition_id=chosen.version_id,
        fields=[field.row() for field in chosen.fields],
        answers=form_fields.tidy(chosen.fields, answers),
        state=DRAFT,
        author_id=by.id,
        amends_id=amends,
        made_at=now,
        row_version=1,
    )
    session.add(form)
    await session.flush()
    return form


async def save(
    session: AsyncSession,
    by: StaffView,
    form_id: int,
    answers: Mapping[str, str],
    *,
    seen: int,
    now: datetime,
) -> CaseForm:
    """Keep what was written in a draft so far; whoever writes last answers for it.

    Args:
        seen: the row version that the page showed.

    Raises:
        NotFound: the form is out of the person's reach.
        Moved: somebody else has written in it since; nothing is overwritten.
        Conflict: it is signed.
    """
    form, case = await _to_work(session, by, form_id)
    if form.state != DRAFT:
        raise Conflict("form_signed")
    kept = form_fields.tidy(fields_of(form), answers)
    wrong = form_fields.problems(
        fields_of(form), kept, today=to_shanghai(now).date(), signing=False
    )
    if kept == form.answers and not wrong:
        return form
    if any(code == "too_long" for code in wrong.values()):
        raise InputInvalid("form_too_long")
    changed = await session.scalar(
        update(CaseForm)
        .where(CaseForm.id == form_id, CaseForm.state == DRAFT, CaseForm.row_version == seen)
        .values(answers=kept, author_id=by.id, row_version=seen + 1)
        .returning(CaseForm.id)
    )
    if changed is None:
        raise Moved("form_moved")
    await session.refresh(form)
    await publish(session, "form", place_id=case.place_id, case_id=case.id, now=now)
    return form


async def sign(
    session: AsyncSession, by: StaffView, form_id: int, *, seen: int, now: datetime
) -> dict[str, str]:
    """Sign a draft as it is kept; from then on it is never changed.

    A second click on a form that this person has just signed changes nothing.

    Returns:
        what is still wrong with it, by field: then it is not signed.

    Raises:
        NotFound: the form is out of the person's reach.
        Conflict: it was signed by somebody else, or written in since.
    """
    form, case = await _to_work(session, by, form_id)
    if signed_by(form, by):
        return {}
    wrong = form_fields.problems(
        fields_of(form), form.answers, today=to_shanghai(now).date(), signing=True
    )
    if wrong:
        return wrong
    signed = await session.scalar(
        update(CaseForm)
        .where(CaseForm.id == form_id, CaseForm.state == DRAFT, CaseForm.row_version == seen)
        .values(state=SIGNED, signed_at=now, author_id=by.id, row_version=seen + 1)
        .returning(CaseForm.id)
    )
    if signed is None:
        raise Conflict("form_signed" if form.state == SIGNED else "form_moved")
    await session.refresh(form)
    data = {"what": form.kind, "kind": form.kind, "form": form.id, "amends": form.amends_id}
    session.add(
        CaseEvent(case_id=case.id, at=now, kind="form_signed", staff_id=by.id, data=dict(data))
    )
    await _log(session, by, "form.signed", form, now)
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)
    return {}


async def discard(session: AsyncSession, by: StaffView, form_id: int, *, now: datetime) -> int:
    """Drop a draft and return the id of its case.

    Raises:
        NotFound: the form is out of the person's reach.
        Conflict: it is signed.
    """
    form, case = await _to_work(session, by, form_id)
    await _log(session, by, "form.discarded", form, now)
    gone = await session.scalar(
        delete(CaseForm)
        .where(CaseForm.id == form_id, CaseForm.state == DRAFT)
        .returning(CaseForm.id)
    )
    if gone is None:
        raise Conflict("form_signed")
    return case.id


async def of_case(session: AsyncSession, case_id: int) -> Sequence[CaseForm]:
    """Return the forms of a case, newest first, an addendum after what it adds to."""
    rows = await session.scalars(
        select(CaseForm)
        .where(CaseForm.case_id == case_id, CaseForm.kind.in_(FORMS))
        .order_by(CaseForm.id)
    )
    found = list(rows)
    ordered: list[CaseForm] = []
    for form in reversed([one for one in found if one.amends_id is None]):
        ordered += [form, *(one for one in found if one.amends_id == form.id)]
    return ordered


async def states(session: AsyncSession, case_id: int) -> Mapping[str, str]:
    """Return for each form the case has `signed`, or `draft` where none of its kind is signed."""
    rows = await session.execute(
        select(CaseForm.kind, CaseForm.state).where(
            CaseForm.case_id == case_id,
            CaseForm.kind.in_(FORMS),
            CaseForm.amends_id.is_(None),
        )
    )
    found: dict[str, str] = {}
    for kind, state in rows:
        found[kind] = SIGNED if SIGNED in (state, found.get(kind)) else DRAFT
    return found


async def to_read(session: AsyncSession, by: StaffView, case_id: int, form_id: int) -> CaseForm:
    """Return a form of a case whose words a person may read.

    Raises:
        NotFound: there is none, or the person may not know that there is.
    """
    await case_rights.visible(session, by, case_id)
    form = await session.get(CaseForm, form_id)
    if form is None or form.case_id != case_id or form.kind not in FORMS:
        raise NotFound(f"form {form_id}")
    return form


async def _to_work(session: AsyncSession, by: StaffView, form_id: int) -> tuple[CaseForm, Case]:
    form = await session.get(CaseForm, form_id, populate_existing=True)
    case = await session.get(Case, form.case_id) if form else None
    found = await case_rights.to_work(session, by, case)
    if form is None or form.kind not in FORMS:
        raise NotFound(f"form {form_id}")
    return form, found


async def _log(
    session: AsyncSession, by: StaffView, action: str, form: CaseForm, now: datetime
) -> None:
    await audit.record(
        session,
        staff_id=by.id,
        action=action,
        object_kind="case",
        object_id=form.case_id,
        now=now,
        data={"form": form.id, "kind": form.kind},
    )
