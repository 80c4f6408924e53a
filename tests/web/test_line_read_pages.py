"""What a case's page shows of whether a parent has read a counselor's words."""

from datetime import timedelta

import pytest
from desk_world import Browser, World
from sqlalchemy import select

from bot.db.models import Case, CaseEvent, Contact, Delivery
from bot.services import read_states

BUTTON = "看对方读了没有"


async def _written(world: World, browser: Browser, channel: str = "dingtalk") -> tuple[int, int]:
    """Return a case, and words of the counselor that the platform has taken."""
    case_id = await world.add_case("one", place="school_a")
    form = {"csrf": world.csrf["counselor"]}
    await browser("counselor").post(f"/desk/cases/{case_id}/accept", data=form)
    async with world.services.database.write() as session:
        case = await session.get_one(Case, case_id)
        contact = await session.get_one(Contact, case.contact_id)
        contact.channel = channel
        row = Delivery(
            key="d1",
            contact_id=contact.id,
            case_id=case_id,
            staff_id=world.staff["counselor"].id,
            route="api",
            kind="person",
            body="我在，请慢慢说",
            state="accepted",
            receipt="query-1",
            created_at=world.now,
        )
        session.add(row)
    return case_id, row.id


async def _ask(world: World, browser: Browser, login: str, case_id: int, delivery: int) -> str:
    data = {"csrf": world.csrf[login], "delivery": str(delivery)}
    client = browser(login)
    response = await client.post(f"/desk/cases/{case_id}/read", data=data)
    if response.status_code == 303:
        return (await client.get(response.headers["location"])).text
    return f"{response.status_code} {response.text}"


async def _page(browser: Browser, login: str, case_id: int) -> str:
    return (await browser(login).get(f"/desk/cases/{case_id}")).text


async def test_a_click_asks_and_a_second_one_within_the_minute_does_not(
    world: World, browser: Browser
) -> None:
    case_id, delivery = await _written(world, browser)
    assert BUTTON in await _page(browser, "counselor", case_id)
    page = await _ask(world, browser, "counselor", case_id, delivery)
    assert "已去问钉钉" in page
    assert "正在问钉钉" in page
    assert "对方已读" not in page
    again = await _ask(world, browser, "counselor", case_id, delivery)
    assert again.startswith("409")
    assert "一分钟内刚问过" in again
    async with world.services.database.read() as session:
        kind = CaseEvent.kind == read_states.EVENT
        assert len((await session.scalars(select(CaseEvent).where(kind))).all()) == 1


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("unread", "23:40 问过钉钉：还没读"),
        ("read_unsaid", "23:40 问过：钉钉没有说，不能当作没读"),
        ("read", "对方已读（23:40 钉钉答复）"),
    ],
)
async def test_each_answer_has_its_words(
    world: World, browser: Browser, what: str, words: str
) -> None:
    case_id, delivery = await _written(world, browser)
    await _ask(world, browser, "counselor", case_id, delivery)
    async with world.services.database.write() as session:
        event = await session.scalar(select(CaseEvent).where(CaseEvent.kind == read_states.EVENT))
        assert event is not None
        event.data = {**event.data, "what": what}
    page = await _page(browser, "counselor", case_id)
    assert words in page
    assert (BUTTON in page) == (what != "read")


async def test_the_platforms_moment_is_shown_to_everybody_who_reads_the_case(
    world: World, browser: Browser
) -> None:
    case_id, delivery = await _written(world, browser)
    async with world.services.database.write() as session:
        row = await session.get_one(Delivery, delivery)
        row.read_at = world.now + timedelta(minutes=3)
    for login in ("counselor", "second_counselor"):
        page = await _page(browser, login, case_id)
        assert "对方已读 23:43" in page
        assert BUTTON not in page


async def test_nothing_is_shown_on_wechat_and_to_others_than_the_writer(
    world: World, browser: Browser
) -> None:
    case_id, delivery = await _written(world, browser)
    assert BUTTON not in await _page(browser, "second_counselor", case_id)
    refused = await _ask(world, browser, "second_counselor", case_id, delivery)
    assert refused.startswith("409")
    assert "问不到" in refused
    assert (await _ask(world, browser, "other_counselor", case_id, delivery)).startswith("404")
    async with world.services.database.write() as session:
        case = await session.get_one(Case, case_id)
        (await session.get_one(Contact, case.contact_id)).channel = "wechat"
    page = await _page(browser, "counselor", case_id)
    assert BUTTON not in page
    assert "已读" not in page
