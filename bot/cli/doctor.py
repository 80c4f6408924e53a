"""`xinqing doctor`: what is in force, what is missing, what needs a person; secrets masked."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import typer
from pydantic import BaseModel, SecretStr
from rich.console import Console
from sqlalchemy import func, make_url, select
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncSession

from bot import logs
from bot.config import Mode, Settings, load_settings
from bot.core.clock import to_shanghai
from bot.core.crisis import load_crisis
from bot.core.phrases import load_phrases
from bot.core.privacy import mask
from bot.db.migrate import current_revision, newest_revision
from bot.db.models import Job, Place
from bot.db.opening import reachable, unreadable_column
from bot.services import alarms, going_live, quota, roster
from bot.wiring import House, build

OK, WARN, BAD = "正常", "注意", "错误"


def add(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command()(doctor)


def doctor() -> None:
    """Print the settings in force and check what the service needs; exit status 1 on an error."""
    settings = load_settings()
    logs.configure("ERROR")
    console = Console(highlight=False)
    for name, value in _in_force(settings):
        console.print(f"XINQING_{name} = {value}", markup=False)
    console.print()
    findings = asyncio.run(_examine(settings))
    for state, text in findings:
        console.print(f"[{state}] {text}", markup=False)
    if any(state == BAD for state, _ in findings):
        raise typer.Exit(1)


def _in_force(settings: Settings) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if isinstance(value, dict):
            for account, group in value.items():
                rows += _group(f"{name}__{account}".upper(), group)
        elif name == "database_url":
            rows.append((name.upper(), _masked_url(value)))
        else:
            rows.append((name.upper(), _shown(value)))
    return rows


def _masked_url(value: str) -> str:
    """Return a database address without its password; nothing of one that can't be taken apart."""
    try:
        url = make_url(value) if value else None
    except (ArgumentError, ValueError):
        return mask(value)
    if url is None:
        return ""
    hidden = {name: "***" for name in url.query if "pass" in name.lower()}
    return url.update_query_dict(hidden).render_as_string(hide_password=True)


def _group(prefix: str, group: BaseModel) -> list[tuple[str, str]]:
    return [
        (f"{prefix}__{name.upper()}", _shown(getattr(group, name)))
        for name in type(group).model_fields
    ]


def _shown(value: Any) -> str:
    return mask(value.get_secret_value()) if isinstance(value, SecretStr) else str(value)


async def _examine(settings: Settings) -> list[tuple[str, str]]:
    house = build(settings)
    try:
        findings = _static(settings, house)
        database = house.services.database
        if not await reachable(database):
            return [
                *findings,
                (BAD, "数据库连不上：看一看 XINQING_DATABASE_URL 和数据库是否在运行"),
            ]
        revision = await current_revision(database)
        if revision != newest_revision():
            findings.append((BAD, "数据库的表不是最新：先运行 xinqing setup 或启动一次 serve"))
            return findings
        findings.append((OK, f"数据库：{database.engine.dialect.name}，表结构 {revision}"))
        column = await unreadable_column(database)
        if column is not None:
            findings.append((BAD, f"密钥：现在的 XINQING_SECRET_KEYS 读不出已存的 {column}"))
            return findings
        findings.append((OK, "密钥：读得出已存的内容"))
        return findings + await _stored(house)
    finally:
        await house.close()


def _static(settings: Settings, house: House) -> list[tuple[str, str]]:
    screen, answers = house.services.screen, house.services.answers
    entries = answers.handbook.entries.values()
    unsigned = sum(1 for entry in entries if not entry.reviewers)
    crisis = len(load_crisis().unsigned())
    degraded = answers.retriever.degraded
    return [
        (OK if screen.problem is None else BAD, f"危险识别规则：{screen.problem or '已加载'}"),
        (OK if screen.unaided is None else WARN, f"危险识别模型：{screen.unaided or '已加载'}"),
        (OK if degraded is None else WARN, f"检索：{degraded or '词语加向量'}"),
        (WARN if unsigned else OK, f"手册 {len(entries)} 条，其中 {unsigned} 条待专业复核"),
        (
            (BAD if settings.mode is Mode.LIVE else WARN) if crisis else OK,
            f"危机回复 {crisis} 段未签字；其他固定语句 {len(load_phrases().unsigned())} 句未签字",
        ),
        (OK if settings.alert else BAD, f"值班群机器人：{'、'.join(settings.alert) or '没有配置'}"),
        (
            OK if settings.wechat else WARN,
            f"微信服务号：{'、'.join(settings.wechat) or '没有配置'}",
        ),
        *_uncounted(settings),
    ]


def _uncounted(settings: Settings) -> list[tuple[str, str]]:
    """Name the DingTalk webhooks whose calls are counted in nobody's month."""
    if not settings.dingtalk:
        return []
    return [
        (
            WARN,
            f"值班群机器人 {name}：XINQING_ALERT__{name.upper()}__ROBOT 没有填已配置的钉钉机器人，"
            "它的调用没有计入本月额度",
        )
        for name, alert in settings.alert.items()
        if alert.kind == "dingtalk" and alert.robot.lower() not in settings.dingtalk
    ]


async def _stored(house: House) -> list[tuple[str, str]]:
    now = house.services.clock.now()
    findings: list[tuple[str, str]] = []
    async with house.services.database.read() as session:
        for place in await session.scalars(select(Place).where(Place.kind != "class")):
            if place.kind == "grade":
                continue
            gaps = await roster.gaps(session, place, now=now, ahead=timedelta(days=7))
            if gaps:
                first = f"{to_shanghai(gaps[0].starts_at):%m-%d %H:%M}"
                findings.append(
                    (WARN, f"值班：{place.name} 七天内有 {len(gaps)} 段空缺，最早 {first}")
                )
            else:
                findings.append((OK, f"值班：{place.name} 七天内没有空缺"))
        findings += await _drilled(session, house, now)
        dead = await session.scalar(select(func.count(Job.id)).where(Job.state == "dead"))
        findings.append((WARN if dead else OK, f"放弃的后台任务：{dead or 0}"))
        for used in await quota.usage(session, house.services.budgets, now=now):
            findings.append(_used(used))
        for alarm in await alarms.open_alarms(session):
            when = f"{to_shanghai(alarm.last_at):%m-%d %H:%M}"
            findings.append((WARN, f"告警 {alarm.kind}（{alarm.count} 次，最近 {when}）"))
    return findings


async def _drilled(session: AsyncSession, house: House, now: datetime) -> list[tuple[str, str]]:
    """Name the districts that have not passed their drill, without which live mode answers not."""
    missing = await going_live.missing(session, now)
    if not missing:
        return [(OK, "演练：各区都在一年内通过了正式环境的演练")]
    names = "、".join(place.name for place in missing)
    live = house.services.mode == going_live.LIVE
    todo = "在 /desk/drills 发起演练，值班的人按时接手、提醒确认送到、由人结案就算通过"
    closed = "现在家长的一般提问得不到回答，危机回复和叫人照常" if live else "正式开通前要做"
    return [(BAD if live else WARN, f"演练：{names} 还没有通过正式环境的演练；{closed}。{todo}")]


def _used(one: quota.Usage) -> tuple[str, str]:
    name = f"本月额度 {one.scope} {'接口调用' if one.what == 'calls' else '收到的消息'}"
    if one.refused_at is not None:
        return BAD, f"{name}：平台 {to_shanghai(one.refused_at):%m-%d %H:%M} 说已用完"
    if not one.limit:
        return OK, f"{name}：已用 {one.used}，未设上限"
    text = f"{name}：已用 {one.used}/{one.limit}（{one.percent}%）"
    if one.ends_at is not None:
        text += f"，照现在的速度 {to_shanghai(one.ends_at):%m-%d %H:%M} 用完"
    return (WARN if one.percent >= 80 or one.ends_at is not None else OK), text
