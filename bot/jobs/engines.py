"""Choose the dialect for a database; called by `bot.jobs.table` and the worker."""

from sqlalchemy.ext.asyncio import AsyncSession

from bot.jobs.dialect import Dialect
from bot.jobs.postgresql import PostgresqlDialect
from bot.jobs.sqlite import SqliteDialect


def dialect_named(name: str) -> Dialect:
    """Return the dialect for SQLAlchemy's name of an engine."""
    return SqliteDialect() if name == "sqlite" else PostgresqlDialect()


def dialect_of(session: AsyncSession) -> Dialect:
    """Return the dialect of the database that a session talks to."""
    return dialect_named(session.get_bind().dialect.name)
