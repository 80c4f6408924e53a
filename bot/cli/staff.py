"""`xinqing staff`: accounts of people who work in the pages."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from bot.config import load_settings
from bot.core.clock import SystemClock
from bot.db import crypto
from bot.db.engine import Database, make_engine
from bot.services import founding, second_factor, staff

app = typer.Typer(no_args_is_help=True)
T = TypeVar("T")


def _run(action: Callable[[AsyncSession], Awaitable[T]]) -> T:
    async def inside() -> T:
        settings = load_settings()
        crypto.install(crypto.KeyRing.parse(settings.secret_keys.get_secret_value()))
        database = Database(make_engine(settings.url))
        try:
            async with database.write() as session:
                return await action(session)
        finally:
            await database.close()

    return asyncio.run(inside())


@app.command("reset-password")
def reset_password(login: str) -> None:
    """Give somebody a new one-time password and sign out all their browsers."""
    password = _run(lambda session: staff.reset_password(session, login=login))
    typer.echo(f"{login} 的一次性密码：{password}")


@app.command("reset-second-factor")
def reset_second_factor(
    login: str,
    reason: Annotated[str, typer.Option(help=", ".join(second_factor.RESET_REASONS))],
) -> None:
    """Take somebody's second factor away and sign out all their browsers."""

    async def action(session: AsyncSession) -> None:
        person = await staff.by_login(session, login)
        now = SystemClock().now()
        await second_factor.reset_unasked(session, person, reason=reason, by=None, now=now)

    _run(action)
    typer.echo(f"{login} 的第二道验证已重设")


@app.command("deactivate")
def deactivate(login: str) -> None:
    """Close an account at once."""
    _run(lambda session: staff.deactivate(session, login=login))
    typer.echo(f"{login} 已停用")


@app.command("create")
def create(
    login: str,
    name: Annotated[str, typer.Option(help="the name that colleagues see")],
    role: Annotated[str, typer.Option(help="counselor, lead, district, teacher, editor, admin")],
    place: Annotated[int, typer.Option(help="id of the place; the role holds below it too")],
) -> None:
    """Add a member of staff with one role and print the one-time password."""

    async def action(session: AsyncSession) -> str:
        person, password = await staff.create_staff(
            session, login=login, name=name, now=SystemClock().now()
        )
        await staff.grant(session, staff_id=person.id, place_id=place, role=role)
        return password

    typer.echo(f"{login} 的一次性密码：{_run(action)}")


@app.command("add-district")
def add_district(
    name: Annotated[str, typer.Argument(help="the district's name")],
    login: Annotated[str, typer.Option(help="of its first account")],
    person: Annotated[str, typer.Option(help="the name that colleagues see")],
    region: Annotated[str, typer.Option(help="as in the table of hotlines")] = "",
) -> None:
    """Add a district and the account that opens all others there; print its one-time password."""

    async def action(session: AsyncSession) -> tuple[int, str]:
        district, password = await founding.found_district(
            session, name=name, region=region, login=login, person=person, now=SystemClock().now()
        )
        return district.id, password

    place, password = _run(action)
    typer.echo(f"{place}  {name}  {login} 的一次性密码：{password}")
