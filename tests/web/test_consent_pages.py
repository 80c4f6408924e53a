"""`/admin/consents`: numbers by place for whoever may see them, a file, and nothing of others."""

from datetime import timedelta

from desk_world import Browser, World

from bot.db.models import Contact, Place
from bot.services import consents, links

CSV_MARK = "\ufeff"


async def _parents(world: World, place: Place, count: int, *, version: int = 9) -> None:
    async with world.services.database.write() as session:
        for number in range(count):
            contact = Contact(
                channel="wechat",
                account="demo",
                external_id=f"{place.id}-{number}",
                place_id=place.id,
                created_at=world.now,
            )
            session.add(contact)
            await session.flush()
            await consents.give(session, contact.id, ("school",), now=world.now, version=version)


async def test_numbers_by_place_with_the_words_that_were_agreed_to(
    world: World, browser: Browser
) -> None:
    await _parents(world, world.places["class_a"], 7)
    for login in ("counselor", "lead", "district", "admin"):
        page = await browser(login).get("/admin/consents")
        assert page.status_code == 200, login
    page = await browser("lead").get("/admin/consents")
    assert '<td data-label="同意">7</td>' in page.text
    assert "少于5" in page.text
    assert "家长看到的说明（第2版）" in page.text
    assert "普通对话保存90天；开了个案的，保存到结案后3年" in page.text
    assert "知情同意" in (await browser("lead").get("/admin/requests")).text


async def test_a_small_school_shows_no_number(world: World, browser: Browser) -> None:
    await _parents(world, world.places["class_a"], 4)
    page = await browser("lead").get("/admin/consents")
    assert "数目都少于5" in page.text
    assert '<td data-label="同意">4</td>' not in page.text


async def test_one_place_and_nobody_elses(world: World, browser: Browser) -> None:
    await _parents(world, world.places["class_a"], 7)
    lead, school = browser("lead"), world.places["school_a"].id
    page = await lead.get(f"/admin/consents?place={school}")
    assert "（合计）" in page.text
    other = world.places["school_b"].id
    for wrong in (str(other), "999999", "x", "9" * 5000, "-1"):
        for path in ("/admin/consents", "/admin/consents/export"):
            assert (await lead.get(f"{path}?place={wrong}")).status_code == 404, wrong[:9]


async def test_the_file_opens_in_a_spreadsheet(world: World, browser: Browser) -> None:
    await _parents(world, world.places["class_a"], 7, version=1)
    found = await browser("lead").get("/admin/consents/export")
    assert found.headers["content-type"].startswith("text/csv")
    assert "attachment" in found.headers["content-disposition"]
    rows = [line.split(",") for line in found.text.removeprefix(CSV_MARK).splitlines()]
    assert found.content.startswith(CSV_MARK.encode())
    assert rows[0] == ["单位", "级别", "哪一项", "同意", "其中旧版", "不同意", "已撤回"]
    of_class = [row for row in rows if row[1] == "班级" and row[2] == "告诉学校" and "7" in row]
    assert [row[3:] for row in of_class] == [["7", "7", "少于5", "少于5"]]
    assert {row[0] for row in rows[1:]} == {"晴川一小", "晴川一小 三年级2班"}, "by full names"


async def test_a_teacher_does_not_see_them(world: World, browser: Browser) -> None:
    assert (await browser("teacher").get("/admin/consents")).status_code == 403


async def test_a_very_long_number_is_nobodys_child(world: World, browser: Browser) -> None:
    async with world.services.database.write() as session:
        contact = Contact(
            channel="wechat", account="demo", external_id="long", created_at=world.now
        )
        session.add(contact)
        await session.flush()
        token = await links.make(
            session,
            world.services.ring,
            purpose="mine",
            contact_id=contact.id,
            now=world.now,
            length=timedelta(hours=1),
        )
    client = browser()
    page = await client.get(f"/p/{token}")
    csrf = page.text.partition('name="csrf" value="')[2].partition('"')[0]
    await client.post(f"/p/{token}/open", data={"csrf": csrf})
    for child in ("9" * 4400, "٣", "1e3", "-1", "0"):
        answer = await client.post(
            f"/p/{token}/consent",
            data={"csrf": csrf, "kind": "school", "child": child, "give": "yes"},
        )
        assert answer.status_code == 404, child[:9]
