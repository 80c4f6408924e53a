"""The teacher's pages: start, writing, preview, sending, states, reminding, phone list, rights."""

import re
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from desk_world import Browser, World
from sqlalchemy import func, select
from teacher_world import (
    BODY,
    TITLE,
    add_class,
    add_family,
    arrive,
    close_place,
    confirm,
    expand,
    send,
    stored,
    write,
)

from bot.db.models import AuditEntry, Course, Notice
from bot.db.models.notice import DRAFT, EXPANDING, SENT, WITHDRAWN
from bot.services import notice_plan, notice_results, notice_state, notices, teaching
from bot.services.notice_confirm import CHAT, PAGE, PHONE
from bot.web.teacher_words import reason, words

KEY = "k" * 24


async def post(
    world: World, client: httpx2.AsyncClient, login: str, path: str, **form: Any
) -> httpx2.Response:
    """Send a form as somebody."""
    return await client.post(path, data={"csrf": world.csrf[login]} | form)


def filled(world: World, **changed: str) -> dict[str, str]:
    """Return a form that can be kept, with changes."""
    place = str(world.places["class_a"].id)
    return {"place": place, "title": TITLE, "body": BODY, "confirm": "yes", "key": KEY} | changed


async def trail(world: World, action: str) -> list[AuditEntry]:
    """Return the audit entries of one action."""
    async with world.services.database.read() as session:
        query = select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id)
        return list(await session.scalars(query))


def test_every_code_has_its_chinese_words() -> None:
    known = words()
    assert set(notice_state.ORDER) <= set(known["state"])
    assert set(known["reason"]) >= notice_results.NO_WAY
    assert set(notice_plan.WAYS) == set(known["way"])
    assert set(teaching.AUDIENCES) == set(known["kind"])
    assert {CHAT, PAGE, PHONE} == set(known["confirmed"])
    assert {DRAFT, EXPANDING, SENT, WITHDRAWN} == set(known["notice"])
    assert reason("48001") == "平台没有发成（代码48001）"


async def test_a_new_teacher_sees_gentle_words(browser: Browser) -> None:
    page = (await browser("teacher").get("/teacher")).text
    assert "teacher老师，您好" in page
    assert "还没有孩子的名单" in page
    assert "还没有发过通知" in page
    assert "近期没有课程和活动" in page


async def test_the_start_page_counts_the_class(world: World, browser: Browser) -> None:
    await add_class(world)
    await add_family(world, "别班", place="class_b", parent="别班妈妈")
    async with world.services.database.write() as session:
        session.add(
            Course(
                kind="event",
                place_id=world.places["school_a"].id,
                title="亲子阅读",
                summary="一起读",
                starts_at=world.now + timedelta(days=2),
                ends_at=world.now + timedelta(days=2, hours=1),
                state="open",
                created_at=world.now,
                updated_at=world.now,
            )
        )
    page = (await browser("teacher").get("/teacher")).text
    figures = re.findall(r"<dd>(\d+)", page)
    assert figures == ["3", "2", "2"]
    assert "还有2个孩子没有一位能收到通知的家长" in page
    assert "亲子阅读" in page
    assert "安安" not in page


async def test_a_lead_sees_the_classes_of_the_school_only(world: World, browser: Browser) -> None:
    await add_class(world)
    page = (await browser("lead").get("/teacher")).text
    assert "晴川一小" in page
    assert "晴川二中" not in page


@pytest.mark.parametrize("login", ["counselor", "editor", "admin"])
async def test_who_writes_no_notices_has_no_such_page(browser: Browser, login: str) -> None:
    assert (await browser(login).get("/teacher")).status_code == 403
    assert 'href="/teacher"' not in (await browser(login).get("/")).text


async def test_links_lead_everybody_to_their_pages(browser: Browser) -> None:
    teacher = (await browser("teacher").get("/")).text
    assert 'href="/teacher"' in teacher
    assert 'href="/desk"' not in teacher
    lead = (await browser("lead").get("/desk")).text
    assert 'href="/teacher"' in lead
    assert 'href="/rules"' in lead
    assert 'href="/teacher"' not in (await browser().get("/")).text


async def test_a_draft_is_kept_once_and_shown_as_parents_see_it(
    world: World, browser: Browser
) -> None:
    await add_class(world)
    client = browser("teacher")
    form = filled(world, title="周五 <b>家长会</b>", body='<script>alert("x")</script>\r\n第二行')
    first = await post(world, client, "teacher", "/teacher/notices", **form)
    second = await post(world, client, "teacher", "/teacher/notices", **form)
    assert first.status_code == 303
    assert first.headers["location"] == second.headers["location"]
    page = (await client.get(first.headers["location"])).text
    assert "<script>alert" not in page
    assert "<b>家长会" not in page
    assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;\n第二行" in page
    assert "【通知】" in page
    assert "发自：三年级2班 teacher老师" in page
    assert "https://xinqing.example.cn/p/…" in page
    assert "发送给1位家长" in page
    assert "钉钉：1人" in page
    assert "取消了关注" in page
    assert "宁宁" in page
    assert "安安" not in page
    assert "还没有发" in (await client.get("/teacher")).text


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"title": " "}, "请写标题"),
        ({"title": "长" * 41}, "标题太长：现在41个字，最多40个字"),
        ({"body": ""}, "请写通知的内容"),
        ({"body": "长" * 100_000}, "内容太长：现在100000个字，最多500个字"),
        ({"place": ""}, "请选择发给哪里"),
        ({"place": "99999"}, "请选择发给哪里"),
        ({"place": "x'; DROP TABLE notice"}, "请选择发给哪里"),
        ({"key": "short"}, "请重新打开再写"),
        ({"title": "\0\0"}, "请写标题"),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_typed_is_lost(
    world: World, browser: Browser, changed: dict[str, str], words: str
) -> None:
    form = filled(world, **changed)
    sent = await post(world, browser("teacher"), "teacher", "/teacher/notices", **form)
    assert sent.status_code == 422
    assert words in sent.text
    assert form["body"][:500] in sent.text
    async with world.services.database.read() as session:
        assert await session.scalar(select(func.count()).select_from(Notice)) == 0


async def test_null_characters_do_not_reach_the_table(world: World, browser: Browser) -> None:
    form = filled(world, title="家\0长会", body="两\0点")
    sent = await post(world, browser("teacher"), "teacher", "/teacher/notices", **form)
    row = await stored(world, int(re.findall(r"\d+", sent.headers["location"])[0]))
    assert (row.title, row.body) == ("家长会", "两点")


async def test_a_closed_class_takes_no_notice(world: World, browser: Browser) -> None:
    await close_place(world, "class_a")
    sent = await post(world, browser("teacher"), "teacher", "/teacher/notices", **filled(world))
    assert sent.status_code == 422
    assert "请选择发给哪里" in sent.text


@pytest.mark.parametrize("login", ["other_lead", "counselor"])
async def test_nobody_writes_to_another_school(world: World, browser: Browser, login: str) -> None:
    sent = await post(world, browser(login), login, "/teacher/notices", **filled(world))
    assert sent.status_code == 403
    form = filled(world, place=str(world.places["class_b"].id))
    sent = await post(world, browser("teacher"), "teacher", "/teacher/notices", **form)
    assert sent.status_code == 403


async def test_another_school_finds_nothing(world: World, browser: Browser) -> None:
    await add_class(world)
    notice_id = await write(world)
    await send(world, notice_id)
    client = browser("other_lead")
    here = f"/teacher/notices/{notice_id}"
    for path in (here, f"{here}/live", f"{here}/phones", f"/teacher/notices/new?copy={notice_id}"):
        assert (await client.get(path)).status_code == 404, path
    for path in ("send", "discard", "remind", "withdraw", "children/1/confirm"):
        sent = await post(world, client, "other_lead", f"{here}/{path}", row="1")
        assert sent.status_code == 404, path
    assert TITLE not in (await client.get("/teacher/notices")).text
    assert TITLE not in (await client.get("/teacher")).text
    assert (await stored(world, notice_id)).state == "sent"


async def test_a_draft_is_its_author_s_alone(world: World, browser: Browser) -> None:
    notice_id = await write(world)
    assert (await browser("lead").get(f"/teacher/notices/{notice_id}")).status_code == 404
    gone = await post(world, browser("lead"), "lead", f"/teacher/notices/{notice_id}/send", row="1")
    assert gone.status_code == 404
    assert TITLE not in (await browser("lead").get("/teacher/notices")).text


async def test_a_draft_is_changed_in_place(world: World, browser: Browser) -> None:
    client = browser("teacher")
    notice_id = await write(world)
    page = (await client.get(f"/teacher/notices/new?draft={notice_id}")).text
    assert BODY in page
    assert f'name="replaces" value="{notice_id}"' in page
    form = filled(world, replaces=str(notice_id), title="改过的标题")
    await post(world, client, "teacher", "/teacher/notices", **form)
    async with world.services.database.read() as session:
        rows = (await session.scalars(select(Notice))).all()
    assert [row.title for row in rows] == ["改过的标题"]


async def test_a_second_click_sends_once_and_a_stale_page_is_told(
    world: World, browser: Browser
) -> None:
    await add_class(world)
    client = browser("teacher")
    notice_id = await write(world)
    here = f"/teacher/notices/{notice_id}"
    stale = await post(world, client, "teacher", f"{here}/send", row="7")
    assert stale.status_code == 409
    assert "刚被别人改过" in stale.text
    for _ in range(2):
        sent = await post(world, client, "teacher", f"{here}/send", row="1")
        assert sent.headers["location"] == f"{here}?done=sent"
    assert len(await trail(world, "notice.sent")) == 1
    assert "正在准备名单" in (await client.get(here)).text


async def test_the_states_follow_child_by_child(world: World, browser: Browser) -> None:
    await add_class(world)
    client = browser("teacher")
    notice_id = await write(world)
    await send(world, notice_id)
    live = f"/teacher/notices/{notice_id}/live"
    moving = await client.get(f"{live}?quick=yes")
    assert "等着发" in moving.text
    assert "hx-refresh" not in moving.headers
    await arrive(world, notice_id)
    assert (await client.get(f"{live}?quick=yes")).headers["hx-refresh"] == "true"
    assert "hx-refresh" not in (await client.get(live)).headers
    page = (await client.get(live)).text
    assert "已发出" in page
    assert "提醒还没确认的（3个孩子的家长）" in page
    await confirm(world, notice_id, "安安")
    page = (await client.get(live)).text
    assert "<strong>1</strong> / 3 个孩子的家长已确认" in page
    assert "提醒还没确认的（2个孩子的家长）" in page
    assert "聊天里回复" in page
    assert page.index("宁宁") < page.index("安安")
    entries = await trail(world, "notice.names_shown")
    assert len(entries) == 1
    world.services.clock.advance(minutes=11)
    await client.get(live)
    assert len(await trail(world, "notice.names_shown")) == 2


async def test_the_district_sees_counts_without_names(world: World, browser: Browser) -> None:
    await add_class(world)
    notice_id = await write(world)
    await send(world, notice_id)
    client = browser("district")
    page = (await client.get(f"/teacher/notices/{notice_id}")).text
    assert "您只能看数量" in page
    assert "安安" not in page
    assert (await client.get(f"/teacher/notices/{notice_id}/phones")).status_code == 403
    assert await trail(world, "notice.names_shown") == []


async def test_only_the_rest_is_reminded_and_not_at_once_again(
    world: World, browser: Browser
) -> None:
    await add_class(world)
    client = browser("teacher")
    notice_id = await write(world)
    await send(world, notice_id)
    await arrive(world, notice_id)
    await confirm(world, notice_id, "安安")
    world.services.clock.advance(minutes=1)
    here = f"/teacher/notices/{notice_id}"
    first = await post(world, client, "teacher", f"{here}/remind")
    assert first.headers["location"] == f"{here}?done=reminded"
    await expand(world, notice_id)
    again = await post(world, client, "teacher", f"{here}/remind")
    assert again.status_code == 409
    minutes = int(notices.REMIND_GAP.total_seconds() // 60)
    assert f"两次提醒要隔{minutes}分钟" in again.text
    assert "已经提醒过1次" in again.text
    world.services.clock.advance(minutes=minutes + 1)
    later = await post(world, client, "teacher", f"{here}/remind")
    assert later.status_code == 303


async def test_nobody_is_reminded_when_all_have_confirmed(world: World, browser: Browser) -> None:
    await add_family(world, "安安", parent="安安妈妈")
    notice_id = await write(world)
    await send(world, notice_id)
    await confirm(world, notice_id, "安安")
    here = f"/teacher/notices/{notice_id}"
    sent = await post(world, browser("teacher"), "teacher", f"{here}/remind")
    assert sent.status_code == 409
    assert "没有还没确认的家长了" in sent.text
    assert "每个孩子都有家长确认了" in sent.text


async def test_withdrawing_stops_and_stays(world: World, browser: Browser) -> None:
    await add_class(world)
    client = browser("teacher")
    notice_id = await write(world)
    await send(world, notice_id)
    here = f"/teacher/notices/{notice_id}"
    for _ in range(2):
        sent = await post(world, client, "teacher", f"{here}/withdraw")
        assert sent.headers["location"] == f"{here}?done=withdrawn"
    page = (await client.get(f"{here}?done=withdrawn")).text
    assert "撤回了" in page
    assert "确认撤回" not in page
    assert "没再发" in page
    assert "还没确认" not in page
    assert "提醒还没确认的（" not in page


async def test_the_phone_list_names_only_the_rest_and_is_recorded(
    world: World, browser: Browser
) -> None:
    children = await add_class(world)
    client = browser("teacher")
    notice_id = await write(world)
    await send(world, notice_id)
    await confirm(world, notice_id, "安安")
    for times in (1, 2):
        page = (await client.get(f"/teacher/notices/{notice_id}/phones")).text
        assert "13800000002" in page
        assert "13800000001" not in page
        assert "学校没有电话" in page
        assert "teacher老师 11-22 23:40" in page
        entries = await trail(world, "notice.phones_shown")
        assert len(entries) == times
    assert entries[0].data["children"] == sorted((children["宁宁"], children["乐乐"]))
    assert "138" not in str(entries[0].data)


async def test_a_yes_on_the_phone_is_noted(world: World, browser: Browser) -> None:
    children = await add_class(world)
    client = browser("teacher")
    notice_id = await write(world)
    await send(world, notice_id)
    here = f"/teacher/notices/{notice_id}"
    for _ in range(2):
        sent = await post(world, client, "teacher", f"{here}/children/{children['乐乐']}/confirm")
        assert sent.status_code == 303
    assert "电话里确认" in (await client.get(here)).text
    assert len(await trail(world, "notice.confirmed_by_phone")) == 1
    district = await post(
        world, browser("district"), "district", f"{here}/children/{children['宁宁']}/confirm"
    )
    assert district.status_code == 403


async def test_old_notices_are_on_further_pages_and_can_be_copied(
    world: World, browser: Browser
) -> None:
    client = browser("teacher")
    for number in range(21):
        await send(world, await write(world, title=f"第{number}条", key=f"n{number}"))
    page = (await client.get("/teacher/notices")).text
    assert "第20条" in page
    assert "第0条" not in page
    assert "第1页，共2页" in page
    last = (await client.get("/teacher/notices?page=99")).text
    assert "第0条" in last
    assert "<h1" in (await client.get("/teacher/notices?page=%27")).text
    copied = (await client.get("/teacher/notices/new?copy=1")).text
    assert "第0条" in copied
    assert BODY in copied
    assert 'name="replaces" value=""' in copied


async def test_a_draft_is_thrown_away_and_what_is_out_stays(world: World, browser: Browser) -> None:
    client = browser("teacher")
    notice_id = await write(world)
    sent = await post(world, client, "teacher", f"/teacher/notices/{notice_id}/discard")
    assert sent.headers["location"] == "/teacher/notices?done=discarded"
    assert (await client.get(f"/teacher/notices/{notice_id}")).status_code == 404
    out = await write(world, key="other")
    await send(world, out)
    await post(world, client, "teacher", f"/teacher/notices/{out}/discard")
    assert (await stored(world, out)).state == "sent"
