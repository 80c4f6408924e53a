"""The job that shows a parent 对方正在输入 while a counselor writes. Registered by wiring.

Only WeChat's service accounts have it, and only within half a minute of what the person wrote;
where a platform has nothing of the kind nothing is shown. It is a courtesy, never tried again.
Source: developers.weixin.qq.com, Customer_Service_Messages, `custom/typing` (45080, 45081).
"""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import structlog

from bot.core.errors import ChannelError
from bot.db.engine import Database
from bot.db.models import Contact
from bot.jobs.registry import JobRegistry, JobRun
from bot.services import typing_signs

log = structlog.get_logger(__name__)


@runtime_checkable
class ShowsTyping(Protocol):
    """A channel that can show that somebody writes."""

    async def typing(self, person: str) -> None:
        """Show it to a person.

        Raises:
            ChannelError: the platform did not take it.
        """
        ...


class TypingSigns:
    """Shows that somebody writes, where the platform can."""

    def __init__(self, database: Database, channels: Mapping[tuple[str, str], object]) -> None:
        self._database = database
        self._channels = channels

    def register(self, registry: JobRegistry) -> None:
        """Add the job to the registry."""
        registry.send(typing_signs.KIND, self.show, max_attempts=1)

    async def show(self, job: JobRun) -> None:
        """Show it once; what the platform says to it changes nothing."""
        async with self._database.read() as session:
            contact = await session.get_one(Contact, job.payload["contact"])
        channel = self._channels.get((contact.channel, contact.account))
        if not isinstance(channel, ShowsTyping):
            return
        try:
            await channel.typing(contact.external_id)
        except ChannelError as error:
            log.info("typing_not_shown", contact=contact.id, code=error.code)
