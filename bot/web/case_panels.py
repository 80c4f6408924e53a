"""The panels of a case's page: what each area of the desk shows beside the conversation.

Called by `bot.web.case_page`. An area adds a panel by a function that reads what it shows, and a
template that shows it under the name `v`. Order is the order on the page.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.models import Case
from bot.web import (
    call_panel,
    care_panels,
    drill_panel,
    panel_alerts,
    panel_files,
    panel_followups,
    panel_talk,
    report_panel,
)
from bot.web.guard import Call

Load = Callable[[AsyncSession, Call, Case], Awaitable[Mapping[str, object] | None]]


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: `load` returns what its template gets as `v`, or None where it isn't shown."""

    name: str
    template: str
    load: Load


@dataclass(frozen=True, slots=True)
class Shown:
    """A panel with what was read for it."""

    name: str
    template: str
    v: Mapping[str, object]


# By urgency: what was told, what is due, who is in danger and who knows, then the file.
PANELS: Sequence[Panel] = (
    Panel("drill", "_case_drill.html", drill_panel.panel),
    Panel("worry", "_case_worry.html", care_panels.worry),
    Panel("clocks", "_case_clocks.html", panel_followups.clocks),
    Panel("alerts", "_case_alerts.html", panel_alerts.panel),
    Panel("judging", "_case_judging.html", panel_talk.judging),
    Panel("people", "_case_people.html", panel_talk.people),
    Panel("told", "_case_told.html", panel_files.load_told),
    Panel("report", "_case_report.html", report_panel.panel),
    Panel("calls", "_case_calls.html", call_panel.panel),
    Panel("forms", "_case_forms.html", panel_files.load_forms),
    Panel("follow_ups", "_case_follow_ups.html", panel_followups.follow_up_panel),
    Panel("care_plan", "_case_care_plan.html", panel_followups.care_plan_panel),
    Panel("together", "_case_together.html", panel_talk.together),
    Panel("care", "_case_care.html", care_panels.care),
    Panel("attachments", "_case_attachments.html", panel_files.load_attachments),
    Panel("notes", "_case_notes.html", panel_talk.notes),
)


async def panels(session: AsyncSession, call: Call, case: Case) -> list[Shown]:
    """Return the panels of a case, as far as this person is shown them."""
    found: list[Shown] = []
    for panel in PANELS:
        values = await panel.load(session, call, case)
        if values is not None:
            found.append(Shown(panel.name, panel.template, values))
    return found
