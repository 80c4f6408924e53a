"""`xinqing setup` and `xinqing keys`: secrets, tables, demonstration data, key rotation."""

import asyncio
import os
import secrets
import string
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bot import logs
from bot.channels.webpush import new_private_key
from bot.cli.indexing import build_index
from bot.config import DEFAULT_DATA_DIR, load_settings, make_folder
from bot.core.clock import SystemClock
from bot.core.errors import ConfigInvalid
from bot.db import crypto, tenant_keys
from bot.db.engine import Database, make_engine
from bot.db.opening import open_database
from bot.db.rotate import rotate, stale
from bot.services import audit, demo, hotlines, lookups

WORDS_ALONE = "检索：只按词语找（XINQING_ENCODER=none），没有向量要算。"
ACCOUNT, ROBOT_NAME = "demo", "心晴"
ALPHABET = string.ascii_letters + string.digits


def add(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command()(setup)
    app.command()(rotate_keys)


def setup(
    demo_data: Annotated[
        bool, typer.Option("--demo/--empty", help="with demonstration data, or without")
    ] = True,
    index: Annotated[
        bool, typer.Option("--index/--no-index", help="compute the search vectors now")
    ] = True,
) -> None:
    """Make what is missing: secrets, tables, index and, if wanted, demonstration data."""
    folder = Path(os.environ.get("XINQING_DATA_DIR") or DEFAULT_DATA_DIR)
    make_folder(folder)
    _make_env(folder / ".env", with_demo=demo_data)
    logins = asyncio.run(_fill(with_demo=demo_data))
    console = Console()
    if logins:
        _print_logins(console, logins)
    else:
        console.print(
            "已经设置过，没有改动。忘了密码：xinqing staff reset-password 登录名", markup=False
        )
    if index:
        logs.configure("CRITICAL")
        settings, told = load_settings(), Console(stderr=True)
        if settings.encoder == "none":
            told.print(WORDS_ALONE, markup=False, highlight=False)
        else:
            build_index(settings, told)


def _make_env(path: Path, *, with_demo: bool) -> None:
    """Write the secrets once; an existing file is never touched."""
    if path.exists():
        return
    lines = [
        "# Made by `xinqing setup`. Keep it secret and keep a copy: without XINQING_SECRET_KEYS",
        "# nobody can read the stored messages again.",
        f"XINQING_SECRET_KEYS={crypto.new_key('k1')}",
        "# Wakes the browsers of people on duty; a new key ends what they have signed up.",
        f"XINQING_PUSH_PRIVATE_KEY={new_private_key()}",
    ]
    if with_demo:
        robot = secrets.token_hex(16)
        lines += [
            "",
            "# A service account, a robot and a duty group that only the built-in simulator knows.",
            f"XINQING_WECHAT__{ACCOUNT.upper()}__APP_ID=wx{secrets.token_hex(8)}",
            f"XINQING_WECHAT__{ACCOUNT.upper()}__APP_SECRET={secrets.token_hex(16)}",
            f"XINQING_WECHAT__{ACCOUNT.upper()}__TOKEN={secrets.token_hex(12)}",
            f"XINQING_WECHAT__{ACCOUNT.upper()}__ENCODING_AES_KEY={_aes_key()}",
            f"XINQING_WECHAT__{ACCOUNT.upper()}__MODE=safe",
            f"XINQING_WECHAT__{ACCOUNT.upper()}__API_BASE=simulator",
            f"XINQING_DINGTALK__{ACCOUNT.upper()}__APP_KEY=ding{secrets.token_hex(8)}",
            f"XINQING_DINGTALK__{ACCOUNT.upper()}__APP_SECRET={secrets.token_urlsafe(32)}",
            f"XINQING_DINGTALK__{ACCOUNT.upper()}__ROBOT_CODE=ding{secrets.token_hex(8)}",
            f"XINQING_DINGTALK__{ACCOUNT.upper()}__ROBOT_NAME={ROBOT_NAME}",
            f"XINQING_DINGTALK__{ACCOUNT.upper()}__AGENT_ID={secrets.randbelow(9 * 10**8) + 10**8}",
            f"XINQING_DINGTALK__{ACCOUNT.upper()}__TOKEN={secrets.token_hex(12)}",
            f"XINQING_DINGTALK__{ACCOUNT.upper()}__AES_KEY={_aes_key()}",
            f"XINQING_DINGTALK__{ACCOUNT.upper()}__API_BASE=simulator",
            f"XINQING_DINGTALK__{ACCOUNT.upper()}__OAPI_BASE=simulator",
            f"XINQING_DINGTALK__{ACCOUNT.upper()}__STREAM=true",
            "XINQING_ALERT__DUTY__KIND=wecom",
            f"XINQING_ALERT__DUTY__URL=simulator/cgi-bin/webhook/send?key={robot}",
        ]
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _aes_key() -> str:
    """Return an EncodingAESKey: 43 characters whose last keeps only the bits base64 can hold."""
    return "".join(secrets.choice(ALPHABET) for _ in range(42)) + secrets.choice("AEIMQUYcgkosw048")


async def _fill(*, with_demo: bool) -> list[demo.NewLogin]:
    settings = load_settings()
    crypto.install(crypto.KeyRing.parse(settings.secret_keys.get_secret_value()))
    database = Database(make_engine(settings.url, synchronous=settings.sqlite_synchronous))
    now = SystemClock().now()
    try:
        await open_database(database)
        async with database.write() as session:
            if await demo.exists(session):
                await demo.prolong_roster(session, now=now)
                return []
            if not with_demo:
                await hotlines.seed(session)
                return []
            return await demo.seed(session, account=ACCOUNT, now=now)
    finally:
        await database.close()


def _print_logins(console: Console, logins: list[demo.NewLogin]) -> None:
    table = Table(title="一次性密码（只显示这一次，第一次登录后要改）")
    for heading in ("登录名", "身份", "角色", "一次性密码"):
        table.add_column(heading)
    for login in logins:
        table.add_row(login.login, login.name, login.role, login.password)
    console.print(table)


def rotate_keys(
    district: Annotated[
        int, typer.Option(help="id of a district: make a new key of its own and use that")
    ] = 0,
) -> None:
    """Put every stored field under the key it belongs to; the service may go on running.

    The ring's key: put the new one first in XINQING_SECRET_KEYS, restart, run this, then take the
    old one out, restart and run this once more: it makes the hashes anew by which people are found.
    A district's own key: name the district. Broken off, it is run again.
    """
    settings = load_settings()
    crypto.install(crypto.KeyRing.parse(settings.secret_keys.get_secret_value()))
    changed, left, looked_up = asyncio.run(_rotate(settings.url, district))
    typer.echo(f"已用新密钥重新加密 {changed} 个字段，还在旧密钥下的 {left} 个")
    if looked_up:
        typer.echo(f"取出旧密钥后，重算了 {looked_up} 个人的查找码")
    if left:
        raise typer.Exit(1)


async def _rotate(url: str, district: int) -> tuple[int, int, int]:
    database, clock = Database(make_engine(url)), SystemClock()
    try:
        async with database.read() as session:
            await tenant_keys.load(session, clock.now())
        if district:
            await _new_key(database, district)
        with Progress(console=Console(stderr=True)) as bar:
            task = bar.add_task("重新加密", total=None)
            changed = await rotate(
                database, lambda done, total: bar.update(task, completed=done, total=total)
            )
        return changed, await stale(database), await lookups.renew(database, crypto.installed())
    except crypto.Undecipherable as error:
        raise ConfigInvalid(f"XINQING_SECRET_KEYS: {error}") from None
    finally:
        await database.close()


async def _new_key(database: Database, district: int) -> None:
    """Make a district's key, tell of it, and wait until every process has it."""
    clock = SystemClock()
    async with database.write() as session:
        key_id = await tenant_keys.make(session, district, clock.now())
        await audit.record(
            session,
            staff_id=None,
            action="key.made",
            object_kind="place",
            object_id=district,
            now=clock.now(),
            data={"key": key_id},
        )
    seconds = tenant_keys.WRITES_AFTER.total_seconds()
    typer.echo(f"新密钥 {key_id} 已建，等 {seconds:.0f} 秒让各进程都拿到", err=True)
    await asyncio.sleep(seconds)
    async with database.read() as session:
        await tenant_keys.load(session, clock.now())
