"""A house on an empty database of its own, for commands that ask what live would say.

The batch forms run the very pipeline of live, so there is one decision and one set of words. The
database is new and empty of contacts; places, duty and hotlines are copied from the real one where
the service has been set up, and without it the texts say that nobody is on duty. No worker runs
here, so no alert and no message ever leaves.
"""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from itertools import count
from pathlib import Path

from pydantic import SecretStr

from bot import logs
from bot.cli.roster_copy import copy_roster
from bot.config import load_settings
from bot.core.messages import IncomingMessage, Kind, Outcome
from bot.db.crypto import new_key
from bot.db.migrate import migrate
from bot.wiring import House, build

_ids = count(1)


@asynccontextmanager
async def scratch_house() -> AsyncIterator[House]:
    """Open a house on a temporary database; everything else as configured."""
    with tempfile.TemporaryDirectory(prefix="xinqing-") as folder:
        settings = load_settings(
            database_url=f"sqlite+aiosqlite:///{Path(folder) / 'scratch.db'}",
            secret_keys=SecretStr(new_key("scratch")),
            sqlite_synchronous="NORMAL",
            log_level="ERROR",
            wechat={},
        )
        logs.configure("ERROR")
        house = build(settings)
        try:
            services = house.services
            await migrate(services.database)
            if await copy_roster(services.database, services.clock.now()):
                async with services.database.read() as session:
                    await services.lines.reload(session)
            yield house
        finally:
            await house.close()


async def tell(house: House, person: str, text: str, now: datetime) -> tuple[str, Outcome | None]:
    """Say something as a person and return the level that was assessed and the outcome."""
    receipt = await house.inbox.accept(
        IncomingMessage(
            channel="batch",
            account="batch",
            platform_id=f"batch-{next(_ids)}",
            sender=person,
            kind=Kind.TEXT,
            text=text,
            sent_at=now,
        )
    )
    routed = await house.router.route(receipt.message_id, receipt.contact_id)
    return receipt.level, routed.outcome
