"""What is printed of a case: its file, a letter of referral, a copy of a plan for the family.

Called by `bot.web.prints`. Each print is an entry of the audit trail, with its reason, before the
words leave the service.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.db.models import Attachment, Case, CaseForm, Told
from bot.db.models.file import SIGNED
from bot.services import (
    attachments,
    audit,
    case_rights,
    desk,
    forms,
    level_words,
    places,
    told,
)
from bot.services.dossier import Dossier, dossier
from bot.services.live import publish
from bot.services.staff import StaffView

FAMILY = "family"
REASONS = ("conference", "referral", FAMILY, "police", "archive")
CASE, LETTER, PLAN, FORM = "case", "letter", "plan", "form"
_AS = {"referral": LETTER, "safety_plan": PLAN}


@dataclass(frozen=True, slots=True)
class CaseFile:
    """Everything of a case that a print may show.

    Args:
        words: what the place calls the levels, with the direction.
        names: of the staff whose ids stand in it.
    """

    case: Case
    dossier: Dossier
    words: Mapping[str, str]
    names: Mapping[int, str]
    told: Sequence[Told]
    forms: Sequence[CaseForm]
    attachments: Sequence[Attachment]


@dataclass(frozen=True, slots=True)
class OneForm:
    """A signed form with its addenda, and where it comes from.

    Args:
        as_: `letter`, `plan` or `form`: how it is laid out.
    """

    case: Case
    form: CaseForm
    as_: str
    addenda: Sequence[CaseForm]
    names: Mapping[int, str]
    place: str


async def of_case(
    session: AsyncSession, by: StaffView, case_id: int, *, reason: str, now: datetime
) -> CaseFile:
    """Return what the print of a case shows, and write the print down.

    Raises:
        NotFound: the case is out of the person's reach.
        InputInvalid: no reason, an unknown one, or (`barred`) for a family that may not be told.
    """
    case = await case_rights.visible(session, by, case_id)
    _check(case, reason)
    rows = await told.of_case(session, case_id)
    filled = await forms.of_case(session, case_id)
    kept = await attachments.of_case(session, case_id)
    ids = {one.staff_id for one in rows} | {one.staff_id for one in kept}
    ids |= {one.author_id for one in filled}
    await _log(session, by, case, CASE, reason, now)
    return CaseFile(
        case=case,
        dossier=await dossier(session, by, case, now=now),
        words=await level_words.shown(session, case.place_id),
        names=await desk.staff_names(session, ids),
        told=rows,
        forms=[one for one in filled if one.state == SIGNED],
        attachments=[one for one in kept if one.removed_at is None],
    )


async def of_form(
    session: AsyncSession,
    by: StaffView,
    case_id: int,
    form_id: int,
    *,
    reason: str,
    now: datetime,
) -> OneForm:
    """Return what the print of one form shows, and write the print down.

    Raises:
        NotFound: the form is out of the person's reach.
        Conflict: it is not signed.
        InputInvalid: no reason, an unknown one, or (`barred`) for a family that may not be told.
    """
    form = await forms.to_read(session, by, case_id, form_id)
    if form.amends_id is not None:
        raise NotFound(f"form {form_id}")
    if form.state != SIGNED:
        raise Conflict("not_signed")
    case = await session.get_one(Case, case_id)
    _check(case, reason)
    every = await forms.of_case(session, case_id)
    addenda = [one for one in every if one.amends_id == form_id and one.state == SIGNED]
    school = await places.get(session, case.place_id)
    as_ = _AS.get(form.kind, FORM)
    await _log(session, by, case, as_, reason, now, form=form_id)
    return OneForm(
        case=case,
        form=form,
        as_=as_,
        addenda=addenda,
        names=await desk.staff_names(session, {one.author_id for one in (form, *addenda)}),
        place=school.name if school else "",
    )


def _check(case: Case, reason: str) -> None:
    if reason not in REASONS:
        raise InputInvalid("reason", field="reason")
    if reason == FAMILY and case.guardians_barred:
        raise InputInvalid("barred", field="reason")


async def _log(
    session: AsyncSession,
    by: StaffView,
    case: Case,
    what: str,
    reason: str,
    now: datetime,
    *,
    form: int | None = None,
) -> None:
    await audit.record(
        session,
        staff_id=by.id,
        action="case.printed",
        object_kind="case",
        object_id=case.id,
        now=now,
        data={"what": what, "reason": reason, "form": form},
    )
    await publish(session, "case", place_id=case.place_id, case_id=case.id, now=now)
