"""Open a database for a process: reach it, bring its tables up to date, and read one of each.

Whatever is wrong becomes one `ConfigInvalid` that names the setting. Called at start (`bot.app`,
`xinqing work`, `xinqing setup`), and in parts by `/ready` and `xinqing doctor`.
"""

import asyncio

from sqlalchemy import Text, select, text, type_coerce
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from bot.core.clock import SystemClock
from bot.core.errors import ConfigInvalid
from bot.db import field_keys, tenant_keys
from bot.db.crypto import Undecipherable
from bot.db.engine import Database
from bot.db.migrate import migrate
from bot.db.models import Message, PlatformToken, Staff

REACH_SECONDS = 30.0
# What is written first, most, and by the service itself; the newest row of each is read. Columns
# that are mostly empty would be searched from end to end.
PROBES = (Staff.name, Message.text, PlatformToken.token)


async def open_database(database: Database) -> None:
    """Reach the database, migrate it, and make sure that its encrypted fields can be read.

    Raises:
        ConfigInvalid: it can't be reached or written, or the key ring does not fit it.
    """
    if not await reachable(database):
        raise _unreachable(database)
    try:
        await migrate(database)
    except OperationalError:
        raise _unreachable(database) from None
    column = await unreadable_column(database)
    if column is not None:
        raise ConfigInvalid(
            f"XINQING_SECRET_KEYS: the stored {column} can't be read with these keys; "
            "put back the keys that this database was written with"
        )


async def reachable(database: Database) -> bool:
    """Say whether the database answers."""
    try:
        async with asyncio.timeout(REACH_SECONDS), database.read() as session:
            await session.execute(text("SELECT 1"))
    except (SQLAlchemyError, OSError):
        return False
    return True


async def unreadable_column(database: Database) -> str | None:
    """Return the first `table.column` whose newest value no key can read.

    The districts' own keys are opened first.
    """
    async with database.read() as session:
        try:
            await tenant_keys.load(session, SystemClock().now())
        except Undecipherable:
            return "tenant_key.sealed"
        for probe in PROBES:
            column = probe.property.columns[0]
            (key,) = column.table.primary_key.columns
            stored = await session.scalar(
                select(type_coerce(column, Text))
                .where(column.is_not(None))
                .order_by(key.desc())
                .limit(1)
            )
            purpose = f"{column.table.name}.{column.name}"
            try:
                if stored is not None:
                    field_keys.decrypt(stored, purpose=purpose)
            except Undecipherable:
                return purpose
    return None


def _unreachable(database: Database) -> ConfigInvalid:
    if database.is_sqlite:
        return ConfigInvalid(
            "XINQING_DATA_DIR: the database file can't be opened or written; "
            "check that the folder and the file belong to this account"
        )
    return ConfigInvalid(
        "XINQING_DATABASE_URL: the database can't be reached; "
        "check that it runs, and its address, name and password"
    )
