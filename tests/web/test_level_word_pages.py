"""What a district calls the levels stands wherever its people are shown one, with the direction."""

import re

import pytest
from desk_world import Browser, World
from files_world import post

from bot.db.models import LevelWords

WORDS = {"3!": "三级", "3": "二级", "2": "一级", "1": "观察"}
TOP = "三级(最高)"
# The packaged words and the program's own codes.
OTHERS = re.compile(r"紧急\(最高\)|3!\(最高\)|紧急：正在发生|高危\(第二高\)|3\(第二高\)")


@pytest.fixture
async def case_id(world: World) -> int:
    async with world.services.database.write() as session:
        session.add(
            LevelWords(
                place_id=world.places["district"].id,
                words=WORDS,
                made_by=world.staff["district"].id,
                made_at=world.now,
            )
        )
    return await world.add_case("one", place="school_a", level="3!", family="abuse")


def _only_own(page: str) -> None:
    assert TOP in page
    assert OTHERS.search(page) is None


async def test_the_desk_the_case_and_why_it_is_read(
    world: World, browser: Browser, case_id: int
) -> None:
    client = browser("counselor")
    for path in ("/desk", f"/desk/cases/{case_id}", f"/desk/cases/{case_id}/live"):
        _only_own((await client.get(path)).text)
    other = await world.add_case("two", place="school_a", level="3!", asks=True)
    asked = await client.get(f"/desk/cases/{other}")
    assert "为什么要看" in asked.text
    _only_own(asked.text)


async def test_judging_and_marking_offer_the_districts_words(
    world: World, browser: Browser, case_id: int
) -> None:
    await post(browser, world, f"/desk/cases/{case_id}/accept")
    page = (await browser("counselor").get(f"/desk/cases/{case_id}")).text
    judged = page[page.index("你判的等级") : page.index("依据（看到")]
    for word in (TOP, "二级(第二高)", "一级(第三高)", "观察(最低)"):
        assert word in judged
    mark = re.search(r"\?mark=(\d+)", page)
    assert mark is not None
    marking = await browser("counselor").get(f"/desk/cases/{case_id}?mark={mark[1]}")
    assert "应该是几级" in marking.text
    _only_own(marking.text)


async def test_prints_reports_and_calls(world: World, browser: Browser, case_id: int) -> None:
    path = f"/desk/cases/{case_id}/print"
    _only_own((await post(browser, world, path, reason="police", **{"as": "page"})).text)
    fields = {"addressee": "police", "basis": "minor_law_11"}
    decided = await post(browser, world, f"/desk/cases/{case_id}/reports", **fields)
    assert decided.status_code == 303
    _only_own((await browser("counselor").get("/desk/reports")).text)
    _only_own((await browser("counselor").get("/desk/calls/new")).text)


async def test_a_drill_and_its_page(world: World, browser: Browser, case_id: int) -> None:
    place = str(world.places["school_a"].id)
    form = await browser("lead").get("/desk/drills")
    _only_own(form.text)
    made = await browser("lead").post(
        "/desk/drills", data={"csrf": world.csrf["lead"], "place": place, "level": "3!"}
    )
    assert made.status_code == 303
    _only_own((await browser("lead").get(made.headers["location"])).text)
    _only_own((await browser("lead").get("/desk/drills")).text)
