"""The job that asks a platform whether a parent has read a counselor's words.

Registered by wiring. Asked once for each click: what the platform does not say now, a person may
ask again.
"""

from collections.abc import Awaitable, Callable, Mapping

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import ChannelError
from bot.core.ports import ReadState, TellsRead
from bot.db.models import CaseEvent, Contact, Delivery
from bot.jobs.registry import JobRegistry, JobRun
from bot.services import read_states
from bot.services.container import Services

log = structlog.get_logger(__name__)

Acknowledge = Callable[[AsyncSession], Awaitable[None]]


class ReadStates:
    """Asks, and writes the answer where the question stands."""

    def __init__(self, services: Services, channels: Mapping[tuple[str, str], object]) -> None:
        self._services = services
        self._channels = channels

    def register(self, registry: JobRegistry) -> None:
        """Add the job to the registry."""
        registry.send(read_states.KIND, self.ask, max_attempts=1, on_dead=self.give_up)

    async def ask(self, job: JobRun) -> Acknowledge:
        """Ask once; an error is no answer."""
        async with self._services.database.read() as session:
            event = await session.get_one(CaseEvent, job.payload["event"])
            delivery = await session.get_one(Delivery, event.data["delivery"])
            contact = await session.get_one(Contact, delivery.contact_id)
        channel = self._channels.get((contact.channel, contact.account))
        state: ReadState | None = None
        if isinstance(channel, TellsRead):
            try:
                state = await channel.read_state(contact.external_id, delivery.receipt)
            except ChannelError as error:
                log.info("read_state_not_known", delivery=delivery.id, code=error.code)

        async def acknowledge(session: AsyncSession) -> None:
            asked = await session.get_one(CaseEvent, event.id)
            now = self._services.clock.now()
            await read_states.answered(session, asked, state, now=now)

        return acknowledge

    async def give_up(self, session: AsyncSession, job: JobRun) -> None:
        """Say that the question has no answer, in the transaction that gives the job up."""
        asked = await session.get_one(CaseEvent, job.payload["event"])
        now = self._services.clock.now()
        await read_states.answered(session, asked, None, now=now)
