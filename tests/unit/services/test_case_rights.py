"""What is done to a case, a conversation or the rules asks for the right itself, whoever calls."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from factories import NIGHT, District, make_case, make_contact, make_district, seen_as
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import Conflict, NotAllowed, NotFound
from bot.db.engine import Database
from bot.db.models import AuditEntry, Case, CaseEvent, Contact, Delivery, RuleSet, StaffRole
from bot.db.models.staff import ROLES
from bot.services import (
    cases,
    conversations,
    dossier,
    read_reasons,
    replays,
    reports,
    risk_cases,
    rule_changes,
    rulesets,
    staff,
)
from bot.services.risk_cases import Judgement
from bot.services.staff import StaffView

Act = Callable[[AsyncSession, StaffView, Case], Awaitable[object]]
NOW = NIGHT


@dataclass
class Site:
    """A school with an open case and somebody's conversation."""

    database: Database
    place: District
    case: Case

    def everybody_else(self) -> list[StaffView]:
        """Return whoever may not work on the case: wrong role here, right role elsewhere."""
        here = (self.place.school, self.place.class_)
        person = self.place.district_counselor
        barred = [role for role in ROLES if role not in ("counselor", "district")]
        found = [seen_as(person, **{role: here}) for role in barred]
        elsewhere = [
            seen_as(person, **{role: (self.place.other_school,)}) for role in ("counselor", "lead")
        ]
        # Level 2 of a school is counted for the district, not worked on.
        return [*found, *elsewhere, seen_as(person), self.place.as_district]


@pytest.fixture
async def site(database: Database) -> Site:
    """The site of these tests."""
    async with database.write() as session:
        place = await make_district(session, now=NOW)
        contact = await make_contact(session, now=NOW, place=place.class_)
        case = await make_case(session, contact, now=NOW, place=place.school, level="2")
    return Site(database, place, case)


async def _accept(session: AsyncSession, by: StaffView, case: Case) -> None:
    await cases.accept(session, by, case.id, now=NOW)


async def _close(session: AsyncSession, by: StaffView, case: Case) -> None:
    await cases.close(session, by, case.id, reason="answered", note="好", now=NOW)


async def _take(session: AsyncSession, by: StaffView, case: Case) -> None:
    await conversations.take(session, by, case.contact_id, now=NOW)


async def _write(session: AsyncSession, by: StaffView, case: Case) -> None:
    await conversations.write(session, by, case.contact_id, text="在吗", now=NOW)


async def _mark(session: AsyncSession, by: StaffView, case: Case) -> None:
    judged = Judgement("0", "NONE")
    await risk_cases.mark(session, by, case, message_id=1, judgement=judged, now=NOW)


async def _undo(session: AsyncSession, by: StaffView, case: Case) -> None:
    await risk_cases.undo(session, by, case, message_id=1, now=NOW)


async def _read(session: AsyncSession, by: StaffView, case: Case) -> None:
    await dossier.dossier(session, by, case, now=NOW)


async def _report(session: AsyncSession, by: StaffView, case: Case) -> None:
    await reports.decide(session, by, case, addressee="police", basis="minor_law_11", now=NOW)


async def _reason(session: AsyncSession, by: StaffView, case: Case) -> None:
    await read_reasons.give(session, by, case.id, reason="supervision", now=NOW)


async def _tried(site: Site, by: StaffView, act: Act) -> None:
    async with site.database.write() as session:
        case = await session.get_one(Case, site.case.id)
        contact = await session.get_one(Contact, case.contact_id)
        # Holding it already makes no difference to who may write.
        contact.holder_id = by.id if act is _write else None
        case.state = "accepted" if act is _close else "open"
        await act(session, by, case)


@pytest.mark.parametrize(
    "act", [_accept, _close, _take, _write, _mark, _undo, _read, _report, _reason]
)
async def test_nobody_else_does_anything_to_a_case(site: Site, act: Act) -> None:
    for by in site.everybody_else():
        with pytest.raises(NotFound):
            await _tried(site, by, act)
    async with site.database.read() as session:
        assert (await session.get_one(Case, site.case.id)).state == "open"
        for model in (CaseEvent, Delivery, AuditEntry):
            assert (await session.scalars(model.__table__.select())).all() == []


async def test_a_conversation_without_a_case_is_nobodys(site: Site) -> None:
    async with site.database.write() as session:
        contact = await make_contact(session, now=NOW, place=site.place.class_)
        for act in (conversations.take, conversations.release):
            with pytest.raises((NotFound, Conflict)):
                await act(session, site.place.as_counselor, contact.id, now=NOW)
        assert contact.holder_id is None


async def test_a_role_that_has_ended_opens_nothing(site: Site) -> None:
    person, school = site.place.counselor, site.place.school
    async with site.database.write() as session:
        session.add(
            StaffRole(staff_id=person.id, place_id=school.id, role="counselor", ends_at=NOW)
        )
    for moment, allowed in ((NOW - timedelta(seconds=1), True), (NOW, False)):
        async with site.database.read() as session:
            by = await staff.view(session, person, moment)
            if allowed:
                await dossier.dossier(session, by, site.case, now=moment)
                continue
            with pytest.raises(NotFound):
                await dossier.dossier(session, by, site.case, now=moment)


async def _refused(database: Database, act: Callable[[], Awaitable[object]]) -> None:
    with pytest.raises(NotAllowed):
        await act()
    async with database.read() as session:
        for model in (RuleSet, AuditEntry):
            assert (await session.scalars(model.__table__.select())).all() == []


@pytest.mark.parametrize("role", [role for role in ROLES if role != "district"])
async def test_only_the_district_changes_what_is_in_force(site: Site, role: str) -> None:
    by, database = seen_as(site.place.counselor, **{role: (site.place.school,)}), site.database
    one: dict[str, object] = {"row_version": 1, "now": NOW}
    more: dict[str, object] = {"instead_of": 0, "reason": "因为", "now": NOW}

    async def inside(act: Callable[..., Awaitable[object]], *args: object, **more: object) -> None:
        async with database.write() as session:
            await act(session, by, *args, **more)

    rows = RuleSet(id=1, files={})
    shown = {"replay": None, "way": "", "page": 1, "why": "supervision", "now": NOW}
    for act in (
        lambda: rulesets.publish(database, by, 1, row_version=1, **more),  # type: ignore[arg-type]
        lambda: rulesets.go_back(database, by, 0, **more),  # type: ignore[arg-type]
        lambda: inside(rulesets.start_shadow, 1, **one),
        lambda: inside(rulesets.stop_shadow, 1, **one),
        lambda: inside(replays.start, 1, days=30, **one),
        lambda: inside(replays.stop, 1, now=NOW),
        lambda: inside(rule_changes.texts, rows, **shown),
    ):
        await _refused(database, act)


@pytest.mark.parametrize(
    "role", [role for role in ROLES if role not in ("counselor", "lead", "district")]
)
async def test_whoever_has_no_rules_neither_reads_nor_drafts(site: Site, role: str) -> None:
    by, database = seen_as(site.place.counselor, **{role: (site.place.school,)}), site.database

    async def inside(act: Callable[..., Awaitable[object]], *args: object, **more: object) -> None:
        async with database.write() as session:
            await act(session, by, *args, **more)

    for act in (
        lambda: inside(rulesets.overview),
        lambda: inside(rulesets.read, 1),
        lambda: inside(rulesets.make_draft, name="草稿", note="", now=NOW),
        lambda: inside(rulesets.discard, 1, row_version=1, now=NOW),
        lambda: rulesets.save(database, by, 1, file="a", text="", row_version=1, now=NOW),
        lambda: rulesets.examine(database, by, 1),
    ):
        await _refused(database, act)
