"""Night, silence after the safety question, and what the parent names: first within the level.

Whatever happens here, the level and the ladder's clock stay as they are.
"""

import asyncio
from contextlib import aclosing
from datetime import timedelta

import httpx2
import pytest
from factories import NIGHT, SCENE, make_case, make_contact
from house import CALM, DANGER, PARENT, Home, Houses
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.messages import Kind
from bot.db.models import Case, Login, Staff
from bot.services import cases, conversations
from bot.services.live import newest_id
from bot.services.staff import grant
from bot.simulator.platform import FOREVER, Fault
from bot.web.guard import LOGIN_COOKIE

PERSON_PATH = "/v1.0/robot/oToMessages/batchSend"
TOKEN = "token-of-the-login"


async def reasons(home: Home) -> list[str]:
    return (await home.case()).priority_reasons


async def open_desk(home: Home) -> httpx2.AsyncClient:
    """Sign the school's counselor in, in a browser of their own."""
    now = home.clock.now()
    async with home.write() as session:
        person = await session.get_one(Staff, home.place.counselor.id)
        person.must_change_password = False
        await grant(session, staff_id=person.id, place_id=home.place.school.id, role="counselor")
        session.add(
            Login(
                staff_id=person.id,
                token_hash=home.house.services.ring.fingerprint(TOKEN, purpose="login.token"),
                csrf="csrf",
                created_at=now,
                seen_at=now,
                expires_at=now + timedelta(hours=12),
            )
        )
    client = httpx2.AsyncClient(
        transport=httpx2.ASGITransport(home.app),
        base_url="http://127.0.0.1",
        headers={"Accept": "text/html"},
    )
    client.cookies.set(LOGIN_COOKIE, TOKEN, domain="127.0.0.1")
    return client


async def test_at_2340_a_danger_has_the_night(staffed: Home) -> None:
    await staffed.say(DANGER)
    case = await staffed.case()
    assert (case.level, case.priority, case.priority_reasons) == ("3", 1, ["night"])


@pytest.mark.parametrize(
    ("later", "found"),
    [
        (timedelta(hours=6, minutes=19, seconds=59), ["night"]),  # 05:59:59
        (timedelta(hours=6, minutes=20), []),  # 06:00
        (timedelta(hours=22, minutes=20), ["night"]),  # 22:00
    ],
)
async def test_the_hour_is_the_messages_own(home: Home, later: timedelta, found: list[str]) -> None:
    home.clock.moment = NIGHT + later
    await home.say(DANGER)
    assert await reasons(home) == found


async def test_a_case_of_the_day_that_is_raised_at_night(home: Home) -> None:
    home.clock.moment = NIGHT - timedelta(hours=3)
    await home.say(CALM)
    async with home.write() as session:
        contact = await home.contact()
        await make_case(session, contact, now=home.clock.now(), level="2")
    home.clock.moment = NIGHT
    await home.say(CALM)
    assert await reasons(home) == [], "a further message in it is no raise"
    await home.say(DANGER)
    case = await home.case()
    assert (case.level, case.priority_reasons) == ("3", ["night"])


async def test_five_minutes_of_silence_in_an_open_desk_page(staffed: Home) -> None:
    client = await open_desk(staffed)
    await staffed.say(DANGER)
    await staffed.take_case((await staffed.case()).id)  # so that the ladder changes nothing
    await staffed.work()
    before = await staffed.case()
    page = (await client.get("/desk/queue")).text
    assert "优先：夜间" in page
    assert "问后没有回音" not in page
    await staffed.wait(minutes=4, seconds=59)
    assert "问后没有回音" not in (await client.get("/desk/queue")).text
    async with staffed.house.services.database.read() as session:
        newest = await newest_id(session)
    async with aclosing(staffed.house.services.live.subscribe(newest)) as changes:
        coming = asyncio.ensure_future(anext(changes))
        await staffed.wait(seconds=1)
        async with asyncio.timeout(1):
            event = await coming
    assert (event.kind, event.case_id) == ("case", before.id)
    assert "优先：夜间、问后没有回音" in (await client.get("/desk/queue")).text
    after = await staffed.case()
    assert (after.level, after.raised_at) == (before.level, before.raised_at)
    assert (after.priority, after.priority_reasons) == (2, ["night", "silence"])
    page = (await client.get(f"/desk/cases/{after.id}")).text
    assert "优先：夜间、问后没有回音<" in page
    assert "5分钟没有回音" in page
    await staffed.wait(hours=3)
    assert (await staffed.events()).count("silence") == 1, "asked once per raise"
    await client.aclose()


async def test_the_ladders_clock_stays(staffed: Home) -> None:
    await staffed.say(DANGER)
    await staffed.work()
    await staffed.wait(minutes=5)
    assert len(staffed.alerts()) == 2
    await staffed.wait(minutes=4, seconds=59)
    assert len(staffed.alerts()) == 2, "a silent case climbs no faster"
    await staffed.wait(seconds=1)
    assert len(staffed.alerts()) == 3


async def test_an_answer_at_four_fifty_nine(staffed: Home) -> None:
    await staffed.say(DANGER)
    await staffed.work()
    await staffed.wait(minutes=4, seconds=59)
    await staffed.say("我在他身边")
    for _ in range(4):
        await staffed.wait(minutes=5)
    assert await reasons(staffed) == ["night"]
    assert "silence" not in await staffed.events()


async def test_who_writes_after_all_is_silent_no_longer(staffed: Home) -> None:
    await staffed.say(DANGER)
    await staffed.wait(minutes=5)
    assert await reasons(staffed) == ["night", "silence"]
    await staffed.say("刚才在跟他说话，他睡下了")
    case = await staffed.case()
    assert (case.priority, case.priority_reasons) == (1, ["night"])
    assert (await staffed.events()).count("silence") == 1, "the timeline still tells of it"


async def test_a_finger_on_the_menu_is_no_answer(staffed: Home) -> None:
    await staffed.say(DANGER)
    await staffed.wait(minutes=2)
    await staffed.driver.follow(PARENT, SCENE)
    await staffed.house.handover.flush()
    assert (await staffed.messages())[-1].kind in (Kind.FOLLOW, Kind.SCAN)
    await staffed.wait(minutes=3)
    assert await reasons(staffed) == ["night", "silence"]


async def test_a_new_process_still_looks(houses: Houses, staffed: Home) -> None:
    await staffed.say(DANGER)
    await staffed.work()
    await staffed.close()
    other = await houses.make()
    await other.wait(minutes=4, seconds=59)
    assert await reasons(other) == ["night"]
    await other.wait(seconds=1)
    assert await reasons(other) == ["night", "silence"]


async def test_an_answer_that_is_being_stored_when_the_job_runs(
    houses: Houses, staffed: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The inbox has read the case already; the job of another process waits for it."""
    other = await houses.make()
    await staffed.say(DANGER)
    await staffed.work()
    staffed.clock.advance(minutes=5)
    latest, read, go = cases.latest, asyncio.Event(), asyncio.Event()

    async def held_up(session: AsyncSession, contact_id: int) -> Case | None:
        found = await latest(session, contact_id)
        read.set()
        await go.wait()
        return found

    monkeypatch.setattr(cases, "latest", held_up)
    storing = asyncio.create_task(staffed.say("我在他身边"))
    await read.wait()
    working = asyncio.create_task(other.work())
    await asyncio.wait({working}, timeout=0.5)
    go.set()
    await asyncio.gather(storing, working)
    assert await reasons(staffed) == ["night"]


async def test_taking_over_prevents_it(staffed: Home) -> None:
    await staffed.say(DANGER)
    await staffed.work()
    await staffed.take_case((await staffed.case()).id)
    await staffed.wait(minutes=3)
    await staffed.hold((await staffed.contact()).id)
    assert await staffed.jobs("case.silence", "ready", "sched") == []
    await staffed.wait(minutes=30)
    assert await reasons(staffed) == ["night"]


async def test_taking_over_in_the_moment_the_job_runs(staffed: Home) -> None:
    """The job looks at the conversation again, as if it could not have been cancelled."""
    await staffed.say(DANGER)
    contact = await staffed.contact()
    async with staffed.write() as session:
        row = await session.get_one(type(contact), contact.id)
        row.holder_id, row.held_since = staffed.place.counselor.id, staffed.clock.now()
    await staffed.wait(minutes=5)
    assert await reasons(staffed) == ["night"]


async def test_accepting_alone_prevents_nothing(staffed: Home) -> None:
    """Nobody talks to the parent yet: the silence is for whoever accepted to see."""
    await staffed.say(DANGER)
    await staffed.take_case((await staffed.case()).id)
    await staffed.wait(minutes=5)
    assert await reasons(staffed) == ["night", "silence"]


async def test_a_closed_case_is_left_alone(staffed: Home) -> None:
    await staffed.say(DANGER)
    case = await staffed.case()
    await staffed.take_case(case.id)
    await staffed.close_case(case.id, note="已经平安")
    await staffed.wait(minutes=5)
    assert await reasons(staffed) == ["night"]


async def test_a_question_that_never_went_out_waits_for_no_answer(home: Home) -> None:
    home.platform.fail(PERSON_PATH, Fault.TRUNCATED, times=FOREVER)
    await home.robot.say("u001", DANGER)
    await home.house.reception.finish(5)
    await home.work()
    for _ in range(6):
        await home.wait(minutes=5)
    assert await reasons(home) == ["night"]
    assert await home.jobs("case.silence") == []


async def test_over_a_platforms_own_interface_the_clock_starts_with_the_receipt(
    home: Home,
) -> None:
    home.platform.fail(PERSON_PATH, Fault.BUSY)
    await home.robot.say("u001", DANGER)
    await home.house.reception.finish(5)
    await home.work()
    assert await home.jobs("case.silence") == []
    await home.wait(minutes=2)
    assert len(await home.jobs("case.silence", "sched")) == 1
    await home.wait(minutes=3)
    assert await reasons(home) == ["night"], "five minutes after the message, three after the reply"
    await home.wait(minutes=2)
    assert await reasons(home) == ["night", "silence"]


async def test_a_raise_asks_again(staffed: Home) -> None:
    contact = await staffed.contact()
    async with staffed.write() as session:
        now, school = staffed.clock.now(), staffed.place.school
        await make_case(session, contact, now=now, place=school, level="2")
    await staffed.say(DANGER)
    await staffed.wait(minutes=5)
    assert await reasons(staffed) == ["night", "silence"]
    await staffed.say("他说没事")
    await staffed.take_case((await staffed.case()).id)
    await staffed.wait(minutes=40)
    await staffed.say(DANGER)
    assert (await staffed.events()).count("raised") == 2
    await staffed.wait(minutes=5)
    assert (await staffed.events()).count("silence") == 2


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (("他昨天刚出院", DANGER), ["night", "trigger:discharge"]),
        ((DANGER, "今天出成绩了"), ["night", "trigger:results"]),
        (
            ("他昨天刚出院", DANGER, "刚跟女朋友分手"),
            ["night", "trigger:discharge", "trigger:breakup"],
        ),
    ],
)
async def test_what_the_parent_names_before_and_after(
    staffed: Home, texts: tuple[str, ...], found: list[str]
) -> None:
    for text in texts:
        staffed.clock.advance(minutes=1)
        await staffed.say(text)
    case = await staffed.case()
    assert case.priority_reasons == found
    assert (case.level, case.priority) == ("3", 2)
    assert (await staffed.messages())[-1].level == "3"


async def test_a_trigger_alone_opens_no_case(staffed: Home) -> None:
    await staffed.say("明天开学，今天他挨骂了")
    assert await staffed.cases() == []


async def test_words_before_a_closed_case_are_not_held_against_the_next(staffed: Home) -> None:
    await staffed.say("他昨天刚出院")
    staffed.clock.advance(minutes=1)
    await staffed.say(DANGER)
    case = await staffed.case()
    await staffed.take_case(case.id)
    await staffed.close_case(case.id, note="已经平安")
    staffed.clock.advance(minutes=1)
    await staffed.say(DANGER)
    assert (await staffed.cases())[-1].priority_reasons == ["night"]


async def test_the_queue_puts_silence_first_and_never_over_a_higher_level(staffed: Home) -> None:
    client = await open_desk(staffed)
    await staffed.say(DANGER)
    silent = (await staffed.case()).id
    async with staffed.write() as session:
        now = staffed.clock.now()
        school = staffed.place.school
        older = now - timedelta(hours=2)
        contact = await make_contact(session, now=now)
        waiting = (await make_case(session, contact, now=older, level="3", place=school)).id
        contact = await make_contact(session, now=now)
        higher = (await make_case(session, contact, now=now, level="3!", place=school)).id
    await staffed.wait(minutes=5)
    page = (await client.get("/desk/queue")).text
    order = [page.index(f'id="case-{case_id}"') for case_id in (higher, silent, waiting)]
    assert order == sorted(order)
    await client.aclose()


async def test_releasing_a_conversation_asks_nothing_anew(staffed: Home) -> None:
    await staffed.say(DANGER)
    await staffed.take_case((await staffed.case()).id)
    contact = (await staffed.contact()).id
    await staffed.hold(contact)
    staffed.clock.advance(minutes=1)
    async with staffed.write() as session:
        await conversations.release(
            session,
            staffed.place.as_counselor,
            contact,
            now=staffed.clock.now(),
        )
    await staffed.wait(minutes=10)
    assert await reasons(staffed) == ["night"]


async def test_a_wish_for_a_person_at_night_goes_first_among_its_like(staffed: Home) -> None:
    await staffed.say("转人工")
    (case,) = await staffed.rows(Case)
    assert (case.level, case.priority_reasons) == ("1", ["night"])
    await staffed.wait(minutes=10)
    assert (await staffed.case()).priority_reasons == ["night"], "no question, no silence"
