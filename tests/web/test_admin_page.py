"""The operator's page: open alarms in plain Chinese, and the line on the desk that leads to it."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from desk_world import Browser, World
from sqlalchemy import select

import bot
from bot.db.models import Alarm, AuditEntry, QuotaUse
from bot.services import alarms
from bot.services.quota import Budget
from bot.web.render import labels

RAISED = re.compile(r'(?:raise_alarm\(\s*session,|\.alarm\()\s*"(\w+)"')


async def _raise(world: World, kind: str, subject: str = "") -> int:
    async with world.services.database.write() as session:
        await alarms.raise_alarm(session, kind, now=world.now, subject=subject)
        await session.flush()
        found = await session.scalar(select(Alarm.id).where(Alarm.kind == kind))
    assert found is not None
    return found


def test_every_alarm_has_its_chinese_words() -> None:
    sources = Path(bot.__file__).parent.rglob("*.py")
    kinds = {kind for path in sources for kind in RAISED.findall(path.read_text("utf-8"))}
    assert {"rules_invalid", "handler_failed", "callback_unreadable"} <= kinds
    assert kinds | {"alert_failed"} <= set(labels()["alarm"])


async def test_without_an_alarm_the_page_says_so(browser: Browser) -> None:
    assert "没有待处理的告警" in (await browser("admin").get("/admin")).text
    assert "告警待处理" not in (await browser("district").get("/desk")).text


async def test_an_alarm_is_listed_in_chinese_and_shanghai_time(
    world: World, browser: Browser
) -> None:
    await _raise(world, "callback_unreadable", "wechat/school1")
    world.services.clock.advance(minutes=3)
    await _raise(world, "callback_unreadable", "wechat/school1")
    page = (await browser("admin").get("/admin")).text
    assert "平台来的消息读不懂" in page
    assert "2次 · 第一次 11-22 23:40:00 · 最近一次 11-22 23:43:00 · wechat/school1" in page


@pytest.mark.parametrize("login", ["admin", "district"])
async def test_seen_to_is_gone_and_in_the_trail(world: World, browser: Browser, login: str) -> None:
    alarm = await _raise(world, "rules_invalid")
    client = browser(login)
    for _ in range(2):
        answer = await client.post(f"/admin/alarms/{alarm}/clear", data={"csrf": world.csrf[login]})
        assert (answer.status_code, answer.headers["location"]) == (303, "/admin")
    assert "没有待处理的告警" in (await client.get("/admin")).text
    async with world.services.database.read() as session:
        trail = (await session.scalars(select(AuditEntry))).all()
    assert [(line.action, line.staff_id, line.object_id) for line in trail] == [
        ("alarm.cleared", world.staff[login].id, alarm)
    ]
    await _raise(world, "rules_invalid")
    assert "危险识别规则有错" in (await client.get("/admin")).text


async def test_the_desk_of_the_district_leads_to_the_alarms(world: World, browser: Browser) -> None:
    await _raise(world, "rules_invalid")
    for path in ("/desk", "/desk/queue"):
        page = (await browser("district").get(path)).text
        assert '<a href="/admin">系统有1项告警待处理</a>' in page
        assert 'href="/admin"' not in (await browser("counselor").get(path)).text
    for login in ("admin", "district"):
        assert 'href="/admin"' in (await browser(login).get("/admin/tree")).text
    for nobody in ("counselor", None):
        assert 'href="/admin"' not in (await browser(nobody).get("/")).text


async def test_the_month_s_quotas_are_shown_with_where_they_end(
    world: World, browser: Browser
) -> None:
    assert "本月平台额度" not in (await browser("admin").get("/admin")).text
    world.services.budgets = (Budget("dingtalk/school1", 5000, 3000),)
    async with world.services.database.write() as session:
        since = world.now - timedelta(days=10)
        session.add(
            QuotaUse(
                scope="dingtalk/school1",
                month="2026-11",
                calls=4800,
                messages=300,
                since=since,
                refused_at=world.now,
            )
        )
    page = (await browser("district").get("/admin")).text
    assert "已用4800，共5000（96%）" in page
    assert "照现在的速度，11-23 09:40:00用完" in page
    assert "平台11-22 23:40:00说额度已用完" in page
    assert "已用300，共3000（10%） · 照现在的速度，够用到月底" in page


async def test_without_a_limit_only_the_count_is_shown(world: World, browser: Browser) -> None:
    world.services.budgets = (Budget("dingtalk/school1", 0, 0),)
    page = (await browser("admin").get("/admin")).text
    assert page.count("已用0，未设上限") == 2
