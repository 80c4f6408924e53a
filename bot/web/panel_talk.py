"""What a case's page shows of what people decide: level, people, who works on it, notes.

The panels of `bot.web.case_panels`. What they post to stands in `bot.web.talk`.
"""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core import kin
from bot.core.levels import LEVELS
from bot.db.models import Case, Contact
from bot.db.models.case import ACCEPTED
from bot.services import case_notes, case_people, case_times, desk, transfers
from bot.web.guard import Call

_JUDGED = frozenset({case_notes.JUDGED})
_NOTES = case_notes.KINDS - {case_notes.JUDGED, case_notes.BARRED, case_notes.UNBARRED}
_BARS = frozenset({case_notes.BARRED, case_notes.UNBARRED})


def has_in_hand(call: Call, case: Case) -> bool:
    """Say whether whoever calls is working on this very case: then phones stand on its page."""
    return case.state == ACCEPTED and call.staff.id in (case.accepted_by, case.second_id)


async def judging(session: AsyncSession, call: Call, case: Case) -> Mapping[str, object]:
    """Read what people judged, beside the machine's level."""
    return {
        "case": case,
        "levels": LEVELS,
        "judgements": await case_notes.listed(session, case.id, _JUDGED),
        "open": case.state == ACCEPTED,
    }


async def people(session: AsyncSession, call: Call, case: Case) -> Mapping[str, object]:
    """Read the child and its guardians, without phones, and who of them may be told."""
    contact = await session.get_one(Contact, case.contact_id)
    found = await case_people.of_case(session, call.staff, case)
    return {
        "case": case,
        "contact": contact,
        "people": found,
        "phones": await case_people.numbers(session, found) if has_in_hand(call, case) else None,
        "relation": kin.relation_word,
        "bars": await case_notes.listed(session, case.id, _BARS),
        "barred_by_kind": not case_times.guardian_runs(case) and not case.guardians_barred,
    }


async def together(session: AsyncSession, call: Call, case: Case) -> Mapping[str, object] | None:
    """Read who has a case, whom it is offered to, and who could take it or help."""
    if case.state != ACCEPTED:
        return None
    now = call.services.clock.now()
    waits = await transfers.offered(session, case, now=now)
    mine = case.accepted_by == call.staff.id
    names = await desk.staff_names(
        session, {case.accepted_by, case.second_id, waits.to_id if waits else None}
    )
    return {
        "case": case,
        "mine": mine,
        "waits": waits,
        "names": names,
        "colleagues": await transfers.colleagues(session, call.staff, case, now=now)
        if mine
        else (),
        "up": case.tier != "district" and case.level in ("3", "3!"),
    }


async def notes(session: AsyncSession, call: Call, case: Case) -> Mapping[str, object]:
    """Read the notes of a case, those of transfers and of steps left out too."""
    return {"case": case, "notes": await case_notes.listed(session, case.id, _NOTES)}
