"""Reports that the law asks for: who decides, who agrees, what is written down, who sees what."""

import asyncio
from datetime import timedelta

import pytest
from desk_world import WORDS, Browser, World
from sqlalchemy import select

from bot.core.errors import NotFound
from bot.db.models import AuditEntry, Case, CaseEvent, Report
from bot.services import report_words, reports, told

SAID = "您好，我是晴川一小的老师，依法报告。孩子在家，父亲在场。"


async def _post(
    browser: Browser, world: World, login: str, path: str, **fields: str
) -> tuple[int, str]:
    client = browser(login)
    answer = await client.post(path, data={"csrf": world.csrf[login], **fields})
    if answer.status_code == 303:
        shown = await client.get(answer.headers["location"])
        return 303, shown.text
    return answer.status_code, answer.text


async def _decided(browser: Browser, world: World, name: str = "one") -> tuple[int, Report]:
    case_id = await world.add_case(name, place="school_a", level="3", family="abuse")
    status, page = await _post(
        browser,
        world,
        "counselor",
        f"/desk/cases/{case_id}/reports",
        addressee="police",
        basis="domestic_violence_14",
    )
    assert status == 303
    assert "已决定报告" in page
    return case_id, (await _reports(world, case_id))[0]


async def _reports(world: World, case_id: int) -> list[Report]:
    async with world.services.database.read() as session:
        return list(await reports.of_case(session, case_id))


async def _kinds(world: World, case_id: int) -> list[str]:
    async with world.services.database.read() as session:
        rows = await session.scalars(
            select(CaseEvent.kind).where(CaseEvent.case_id == case_id).order_by(CaseEvent.id)
        )
        return [kind for kind in rows if kind.startswith("report")]


def test_every_word_of_the_packaged_list_is_there() -> None:
    words = report_words.words()
    assert len([code for code in words.bases if code.startswith("opinion_4_")]) == 9
    assert {"minor_law_11", "domestic_violence_14", "online_38"} <= set(words.bases)
    assert set(words.asks) == set(words.addressees)
    assert max(map(len, words.addressees)) <= 16
    assert max(map(len, words.bases)) <= 32
    for family, codes in words.first.items():
        assert set(codes) <= set(words.bases), family
        assert list(words.bases_for(family))[: len(codes)] == list(codes)
        assert set(words.bases_for(family)) == set(words.bases)
    assert not words.signed, "nobody has signed the script: say so, and never invent a reviewer"
    text = words.read_out(
        addressee="police", basis="minor_law_11", school="", name="周老师", child=""
    )
    assert "周老师" in text
    assert "为报告人保密" in text
    assert "接警编号" in text
    assert "{" not in text


async def test_an_abuse_case_asks_for_a_decision_with_a_clock(
    world: World, browser: Browser
) -> None:
    abuse = await world.add_case("one", place="school_a", level="3", family="abuse")
    other = await world.add_case("two", place="school_a", level="3", family="self_harm")
    client = browser("counselor")
    page = (await client.get(f"/desk/cases/{abuse}")).text
    assert "这类情况要决定报不报告" in page
    assert "最迟 23:53" in page
    assert page.index("《未成年人保护法》第十一条") < page.index("《反家庭暴力法》第十四条")
    page = (await client.get(f"/desk/cases/{other}")).text
    assert "这类情况要决定报不报告" not in page
    assert "决定报告" in page
    world.services.clock.advance(minutes=15)
    assert "已经超时" in (await client.get(f"/desk/cases/{abuse}")).text


async def test_the_way_of_a_report(world: World, browser: Browser) -> None:
    case_id, report = await _decided(browser, world)
    page = (await browser("counselor").get(f"/desk/cases/{case_id}")).text
    assert "打电话时照着念" in page
    assert "待专业复核" in page
    assert "晴川一小" in page
    assert "复核要由别人来点" in page
    status, page = await _post(browser, world, "counselor", f"/desk/reports/{report.id}/agree")
    assert (status, "要由另一个人复核" in page) == (409, True)
    status, page = await _post(browser, world, "lead", f"/desk/reports/{report.id}/agree")
    assert status == 303
    assert "已复核" in page
    assert WORDS not in page
    path = f"/desk/cases/{case_id}/reports/{report.id}"
    status, page = await _post(
        browser,
        world,
        "counselor",
        f"{path}/make",
        words=SAID,
        number="接警2026112207",
        officer="王警官 043221",
    )
    assert status == 303
    assert "接警2026112207" in page
    assert "王警官 043221" in page
    for _ in range(2):
        status, page = await _post(browser, world, "counselor", f"{path}/result", result="已出警")
        assert status == 303
    (kept,) = await _reports(world, case_id)
    assert kept.agreed_by == world.staff["lead"].id
    assert kept.made_at == world.now
    assert kept.words == SAID
    assert kept.result.count("已出警") == 1
    assert await _kinds(world, case_id) == [
        "report_decided",
        "report_agreed",
        "report_made",
        "report_result",
    ]
    async with world.services.database.read() as session:
        rows = await session.scalars(
            select(AuditEntry).where(AuditEntry.action.like("report.%")).order_by(AuditEntry.id)
        )
        entries = rows.all()
    assert [row.action for row in entries] == [
        "report.decided",
        "report.agreed",
        "report.made",
        "report.result",
    ]
    assert SAID not in str([row.data for row in entries])


@pytest.mark.parametrize(
    ("addressee", "who"),
    [("police", "police"), ("civil_affairs", "civil_affairs"), ("procuratorate", "other")],
)
async def test_a_report_that_was_made_stands_among_those_who_were_told(
    world: World, browser: Browser, addressee: str, who: str
) -> None:
    case_id = await world.add_case("one", place="school_a", level="3", family="abuse")
    counselor = await world.seen("counselor")
    async with world.services.database.write() as session:
        case = await session.get_one(Case, case_id)
        report = await reports.decide(
            session, counselor, case, addressee=addressee, basis="minor_law_11", now=world.now
        )
    path = f"/desk/cases/{case_id}/reports/{report.id}/make"
    fields = {"words": SAID, "early": "danger", "number": "接警7", "officer": "王警官"}
    for expected in (303, 409):
        status, page = await _post(browser, world, "counselor", path, **fields)
        assert status == expected
    panel = page[page.index('id="panel-told"') :]
    assert "王警官" in panel
    async with world.services.database.read() as session:
        (row,) = await told.of_case(session, case_id)
    assert (row.who, row.way, row.reached, row.answer) == (who, "phone", True, "接警7")
    assert (row.words, row.at, row.staff_id) == (SAID, world.now, counselor.id)


async def test_present_danger_does_not_wait_for_the_second_person(
    world: World, browser: Browser
) -> None:
    case_id, report = await _decided(browser, world)
    path = f"/desk/cases/{case_id}/reports/{report.id}/make"
    status, page = await _post(browser, world, "counselor", path, words=SAID, number="7")
    assert status == 422
    assert "还没有第二个人复核" in page
    assert SAID in page, "what was typed is not lost"
    status, _ = await _post(browser, world, "counselor", path, words=SAID, early="danger")
    assert status == 303
    status, _ = await _post(browser, world, "second_counselor", f"/desk/reports/{report.id}/agree")
    assert status == 303
    (kept,) = await _reports(world, case_id)
    assert (kept.made_at is not None, kept.agreed_at is not None) == (True, True)
    async with world.services.database.read() as session:
        event = await session.scalar(select(CaseEvent).where(CaseEvent.kind == "report_made"))
    assert event is not None
    assert event.data["early"] == "danger"


async def test_not_reporting_needs_a_reason_and_is_looked_at_too(
    world: World, browser: Browser
) -> None:
    case_id = await world.add_case("one", place="school_a", level="3", family="abuse")
    path = f"/desk/cases/{case_id}/reports/not"
    status, page = await _post(
        browser, world, "counselor", path, basis="minor_law_11", reason="不用"
    )
    assert (status, "至少5个字" in page) == (422, True)
    reason = "核对后是电视里的台词，孩子和家长都在"
    status, page = await _post(
        browser, world, "counselor", path, basis="minor_law_11", reason=reason
    )
    assert status == 303
    (kept,) = await _reports(world, case_id)
    assert (kept.refused, kept.addressee, kept.words) == (True, "nobody", reason)
    page = (await browser("lead").get("/desk/reports")).text
    assert "不报告" in page
    assert reason not in page
    assert (await _post(browser, world, "lead", f"/desk/reports/{kept.id}/agree"))[0] == 303


async def test_a_decision_is_taken_back_with_a_reason_but_not_after_the_call(
    world: World, browser: Browser
) -> None:
    case_id, report = await _decided(browser, world)
    path = f"/desk/reports/{report.id}/withdraw"
    assert (await _post(browser, world, "lead", path, reason="影响学校名声"))[0] == 403
    assert (await _post(browser, world, "counselor", path, reason="不"))[0] == 422
    assert (await _post(browser, world, "counselor", path, reason="已由民警当面受理"))[0] == 303
    make = f"/desk/cases/{case_id}/reports/{report.id}/make"
    status, page = await _post(browser, world, "counselor", make, words=SAID, early="danger")
    assert (status, "已经撤回" in page) == (409, True)
    case_id, report = await _decided(browser, world, "two")
    make = f"/desk/cases/{case_id}/reports/{report.id}/make"
    assert (await _post(browser, world, "counselor", make, words=SAID, early="near"))[0] == 303
    path = f"/desk/reports/{report.id}/withdraw"
    assert (await _post(browser, world, "counselor", path, reason="不应当报告的"))[0] == 409


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"words": "", "early": "danger"}, "实际说了什么"),
        ({"words": "字" * 4001, "early": "danger"}, "太长"),
        ({"words": SAID, "early": "danger", "at": "2026-11-24T08:00"}, "时间不对"),
        ({"words": SAID, "early": "danger", "at": "昨天"}, "时间不对"),
        ({"words": SAID, "early": "hurry"}, "为什么先报"),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_is_lost(
    world: World, browser: Browser, fields: dict[str, str], said: str
) -> None:
    case_id, report = await _decided(browser, world)
    path = f"/desk/cases/{case_id}/reports/{report.id}/make"
    status, page = await _post(browser, world, "counselor", path, number="接警77", **fields)
    assert status == 422
    assert said in page
    assert "接警77" in page
    assert (await _reports(world, case_id))[0].made_at is None


async def test_of_two_who_write_it_down_one_does(world: World, browser: Browser) -> None:
    case_id, report = await _decided(browser, world)
    path = f"/desk/cases/{case_id}/reports/{report.id}/make"
    answers = await asyncio.gather(
        *(
            _post(browser, world, login, path, words=f"{SAID}{login}", early="danger")
            for login in ("counselor", "second_counselor")
        )
    )
    assert sorted(status for status, _ in answers) == [303, 409]
    again = f"/desk/cases/{case_id}/reports"
    fields = {"addressee": "education", "basis": "minor_law_40"}
    await asyncio.gather(*(_post(browser, world, "counselor", again, **fields) for _ in range(3)))
    assert len(await _reports(world, case_id)) == 2


async def test_a_case_on_the_districts_desk_is_not_shown_to_the_school(
    world: World, browser: Browser
) -> None:
    """A teacher's misconduct stands there: neither the school's lead nor its counselors see it."""
    case_id = await world.add_case("one", place="district", level="2", family="abuse")
    path = f"/desk/cases/{case_id}/reports"
    fields = {"addressee": "education", "basis": "minor_law_40"}
    for login in ("counselor", "other_counselor"):
        assert (await _post(browser, world, login, path, **fields))[0] == 404
    assert (await _post(browser, world, "district", path, **fields))[0] == 303
    (report,) = await _reports(world, case_id)
    for login in ("lead", "counselor"):
        assert f"个案{case_id} " not in (await browser(login).get("/desk/reports")).text
        assert (await _post(browser, world, login, f"/desk/reports/{report.id}/agree"))[0] == 404


async def test_a_report_of_another_case_is_not_reached_by_this_ones_path(
    world: World, browser: Browser
) -> None:
    _, report = await _decided(browser, world)
    mine = await world.add_case("two", place="school_a", family="abuse")
    path = f"/desk/cases/{mine}/reports/{report.id}/make"
    assert (await _post(browser, world, "counselor", path, words=SAID, early="danger"))[0] == 404


async def test_the_service_asks_its_right_itself(world: World) -> None:
    case_id = await world.add_case("one", place="school_a", family="abuse", level="3")
    for login in ("lead", "teacher", "admin", "other_counselor"):
        by = await world.seen(login)
        async with world.services.database.write() as session:
            case = await session.get_one(Case, case_id)
            with pytest.raises(NotFound):
                await reports.decide(
                    session, by, case, addressee="police", basis="minor_law_11", now=world.now
                )


async def test_a_closed_case_takes_no_new_decision(world: World, browser: Browser) -> None:
    case_id = await world.add_case("one", place="school_a", family="abuse")
    async with world.services.database.write() as session:
        case = await session.get_one(Case, case_id)
        case.state, case.closed_at = "closed", world.now - timedelta(minutes=1)
    path = f"/desk/cases/{case_id}/reports"
    fields = {"addressee": "police", "basis": "minor_law_11"}
    assert (await _post(browser, world, "counselor", path, **fields))[0] == 409
