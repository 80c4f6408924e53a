"""What a case still needs before it may be closed, and in which order."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from factories import make_contact, make_district
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.levels import LEVELS, rank
from bot.db.engine import Database
from bot.db.models import Case, CaseForm, FollowUp, Report, Told
from bot.services.case_notes import STEPS_LEFT_OUT
from bot.services.case_steps import missing

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)
Scene = tuple[AsyncSession, Case, int]


@pytest.fixture
async def scene(database: Database) -> AsyncIterator[Scene]:
    """An accepted case of level 3, judged 3, and who has it."""
    async with database.write() as session:
        district = await make_district(session, now=NOW)
        contact = await make_contact(session, now=NOW)
        by = district.as_counselor.id
        case = Case(
            contact_id=contact.id,
            level="3",
            family="self_harm",
            state="accepted",
            accepted_by=by,
            opened_at=NOW,
            raised_at=NOW,
            judged_level="3",
        )
        session.add(case)
        await session.flush()
        yield session, case, by


def _told(case: Case, by: int, *, reached: bool) -> Told:
    return Told(
        case_id=case.id,
        staff_id=by,
        at=NOW,
        who="guardian",
        name="",
        way="phone",
        words="",
        answer="",
        reached=reached,
    )


def _form(case: Case, by: int, kind: str, state: str) -> CaseForm:
    return CaseForm(case_id=case.id, kind=kind, answers={}, state=state, author_id=by, made_at=NOW)


async def test_nothing_comes_before_accepting_and_judging(scene: Scene) -> None:
    session, case, _ = scene
    case.state, case.judged_level = "open", None
    assert await missing(session, case) == ["accept"]
    case.state = "accepted"
    assert await missing(session, case) == ["judge"]


@pytest.mark.parametrize("judged", LEVELS)
@pytest.mark.parametrize("machine", LEVELS)
async def test_the_persons_level_says_what_is_needed(
    scene: Scene, machine: str, judged: str
) -> None:
    session, case, _ = scene
    case.level, case.judged_level = machine, judged
    needed = ["told", "safety_plan", "follow_ups"] if rank(judged) >= rank("3") else []
    assert await missing(session, case) == needed


async def test_a_judgement_before_the_last_danger_says_nothing_of_it(scene: Scene) -> None:
    session, case, _ = scene
    case.level, case.judged_level = "3!", "1"
    case.judged_at, case.raised_at = NOW, NOW + timedelta(minutes=5)
    assert await missing(session, case) == ["judge"]
    case.judged_at = case.raised_at
    assert await missing(session, case) == []


async def test_only_what_is_really_done_counts(scene: Scene) -> None:
    session, case, by = scene
    follow_up = FollowUp(case_id=case.id, kind="day", due_at=NOW, state="cancelled", note="")
    session.add_all(
        [_told(case, by, reached=False), _form(case, by, "safety_plan", "draft"), follow_up]
    )
    await session.flush()
    assert await missing(session, case) == ["told", "safety_plan", "follow_ups"]
    session.add_all([_told(case, by, reached=True), _form(case, by, "safety_plan", "signed")])
    follow_up.state = "due"
    await session.flush()
    assert await missing(session, case) == []


async def test_a_written_reason_stands_for_each_step(scene: Scene) -> None:
    session, case, by = scene
    case.family = "abuse"
    assert await missing(session, case) == ["told", "safety_plan", "follow_ups", "report"]
    for step in STEPS_LEFT_OUT:
        session.add(_form(case, by, f"left_out_{step}", "signed"))
    await session.flush()
    assert await missing(session, case) == []


async def test_an_abuse_asks_for_a_report_that_is_made_or_refused(scene: Scene) -> None:
    session, case, by = scene
    case.family = "abuse"
    report = Report(
        case_id=case.id,
        addressee="police",
        basis="law11",
        decided_by=by,
        decided_at=NOW,
        words="",
        number="",
        result="",
        officer="",
    )
    session.add(report)
    for made_at, refused, asked in ((None, False, True), (NOW, False, False), (None, True, False)):
        report.made_at, report.refused = made_at, refused
        await session.flush()
        assert ("report" in await missing(session, case)) is asked


async def test_violence_beside_a_worse_danger_still_asks_for_a_report(scene: Scene) -> None:
    session, case, _ = scene
    # A case keeps the family of its worst danger only: here a plan of suicide.
    case.family, case.guardians_barred = "self_harm", True
    assert "report" in await missing(session, case)


async def test_a_drill_is_closed_without_a_file(scene: Scene) -> None:
    session, case, _ = scene
    case.drill, case.judged_level = True, None
    assert await missing(session, case) == []
