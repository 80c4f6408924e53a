"""What a case's page shows of the reports that the law asks for. Used by `bot.web.case_panels`."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import to_shanghai
from bot.db.models import Case, Report
from bot.services import case_rights, case_steps, desk, places, report_words, reports
from bot.web.guard import Call


@dataclass(frozen=True, slots=True)
class Shown:
    """One report as a page shows it.

    Args:
        mine: this person decided it, so somebody else has to agree.
        script: the words to read out; empty where the call was made, or is not theirs to make.
        due: until when somebody should have agreed.
    """

    report: Report
    decided_by: str
    agreed_by: str
    mine: bool
    due: datetime
    late: bool
    script: str = ""


async def panel(session: AsyncSession, call: Call, case: Case) -> Mapping[str, object] | None:
    """Return what the panel of a case's page shows; whoever may not decide sees none."""
    place = await places.get(session, case.place_id)
    kind = place.kind if place else None
    if not case_rights.reaches(call.staff, reports.DECIDE, case, kind):
        return None
    now, words = call.services.clock.now(), report_words.words()
    rows = await reports.of_case(session, case.id)
    names = await desk.staff_names(session, {i for r in rows for i in (r.decided_by, r.agreed_by)})
    asked = case.family in words.prompts or case_steps.asks_report(case)
    shown = []
    for row in rows:
        open_call = row.made_at is None and not row.refused
        text = await reports.script(session, call.staff, case, row) if open_call else ""
        shown.append(shown_of(call, case, row, names, now, text))
    return {
        "rows": shown,
        "words": words,
        "bases": words.bases_for(case.family),
        "prompt": asked and not rows and case.state != "closed",
        "due": reports.due_at(case, None),
        "late": now > reports.due_at(case, None),
        "may_agree": case_rights.reaches(call.staff, reports.AGREE, case, kind),
        "latest": to_shanghai(now).strftime("%Y-%m-%dT%H:%M"),
        "closed": case.state == "closed",
        "nobody": reports.NOBODY,
    }


def shown_of(
    call: Call, case: Case, row: Report, names: Mapping[int, str], now: datetime, script: str = ""
) -> Shown:
    """Return a report as a page shows it to whoever calls."""
    due = reports.due_at(case, row)
    return Shown(
        report=row,
        decided_by=names.get(row.decided_by, ""),
        agreed_by=names.get(row.agreed_by or 0, ""),
        mine=row.decided_by == call.staff.id,
        due=due,
        late=row.agreed_at is None and now > due,
        script=script,
    )
