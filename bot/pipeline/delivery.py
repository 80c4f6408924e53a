"""Delivery: the jobs that send what was not answered passively, and the sweeps after a crash.

Registered with the job table by wiring; the payloads hold ids only.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.messages import ReplyTo
from bot.core.ports import AlertSender, Channel
from bot.db.models import Contact, Delivery, Message
from bot.db.models.delivery import ACCEPTED, API, QUEUED, SENDING
from bot.jobs.errors import Bury
from bot.jobs.registry import JobRegistry, JobRun
from bot.pipeline.router import Router
from bot.services import contacts, deliveries, ladder, live, places, wording
from bot.services.container import Services

log = structlog.get_logger(__name__)

Acknowledge = Callable[[AsyncSession], Awaitable[None]]
# A callback that still runs answers within 5 seconds; what is older belongs to nobody.
ORPHANED = timedelta(seconds=20)
# The person can't be reached this way at all; anything else is a failure of the sending.
UNREACHABLE = ("window_closed", "ChannelRefused")
REPLY_TRIES = 8
ALERT_TRIES = 12


class Deliverer:
    """Send replies and alerts, climb ladders, and pick up what a crash left behind."""

    def __init__(
        self,
        services: Services,
        router: Router,
        channels: Mapping[tuple[str, str], Channel],
        senders: Mapping[str, AlertSender],
    ) -> None:
        self._services = services
        self._router = router
        self._channels = channels
        self._senders = senders

    def register(self, registry: JobRegistry) -> None:
        """Add this class's jobs to the registry."""
        registry.send("reply.send", self.send_reply, max_attempts=REPLY_TRIES, on_dead=self.bury)
        registry.send("alert.send", self.send_alert, max_attempts=ALERT_TRIES, on_dead=self.bury)
        registry.tx("ladder.step", self.climb)
        registry.tx("contact.tell", self.tell)
        registry.tx("upkeep.nightly", self.tidy)

    async def send_reply(self, job: JobRun) -> Acknowledge | None:
        """Send one delivery through its contact's channel."""
        found = await self._delivery(job)
        if found is None:
            return None
        delivery, contact = found
        if contact is None:
            raise Bury("no contact")
        channel = self._channels.get((contact.channel, contact.account))
        if channel is None:
            raise Bury("no such account")
        now = self._services.clock.now()
        if delivery.group is None and not contacts.can_write(contact, now):
            raise Bury("window_closed")
        to = await self._reply_to(contact, delivery.group, now)
        result = await channel.send(to, delivery.body, key=delivery.key)
        return self._receipt(delivery.id, result.receipt)

    async def _reply_to(self, contact: Contact, group: str | None, now: datetime) -> ReplyTo:
        async with self._services.database.read() as session:
            address, until = await contacts.return_address(session, contact.id, group, now=now)
        return ReplyTo(contact.external_id, group, address, until)

    async def send_alert(self, job: JobRun) -> Acknowledge | None:
        """Post one alert to its group."""
        found = await self._delivery(job)
        if found is None:
            return None
        delivery, _ = found
        sender = self._senders.get(delivery.target)
        if sender is None:
            raise Bury("no such group")
        result = await sender.send(delivery.body, mention_all=True, key=delivery.key)
        return self._receipt(delivery.id, result.receipt or "ok")

    async def _delivery(self, job: JobRun) -> tuple[Delivery, Contact | None] | None:
        async with self._services.database.read() as session:
            delivery = await session.get(Delivery, job.payload["delivery"])
            if delivery is None or delivery.state == ACCEPTED:
                return None
            contact = (
                await session.get(Contact, delivery.contact_id) if delivery.contact_id else None
            )
        return delivery, contact

    def _receipt(self, delivery_id: int, receipt: str) -> Acknowledge:
        async def acknowledge(session: AsyncSession) -> None:
            now = self._services.clock.now()
            await deliveries.accepted(session, delivery_id, receipt=receipt, now=now)

        return acknowledge

    async def bury(self, session: AsyncSession, job: JobRun) -> None:
        """Record that a delivery will not arrive, in the transaction that gives its job up."""
        await deliveries.gave_up(
            session,
            int(str(job.payload["delivery"])),
            reason=job.error,
            unreachable=job.error.startswith(UNREACHABLE),
            now=self._services.clock.now(),
        )

    async def climb(self, session: AsyncSession, job: JobRun) -> None:
        """Do one planned step of a case's ladder."""
        await ladder.climb(
            session,
            self._services.policy,
            case_id=int(str(job.payload["case"])),
            round_=str(job.payload["round"]),
            step=int(str(job.payload["step"])),
            now=self._services.clock.now(),
        )

    async def tell(self, session: AsyncSession, job: JobRun) -> None:
        """Say a fixed sentence to a contact, unless the platform's window is closed."""
        contact = await session.get_one(Contact, job.payload["contact"])
        services = self._services
        now = services.clock.now()
        if not contacts.can_write(contact, now):
            return
        place = await places.get(session, contact.place_id)
        reply = wording.say(
            services.phrases,
            services.lines.book,
            str(job.payload["phrase"]),
            moment=now,
            region=place.region if place else "",
        )
        await deliveries.add(session, contact, reply, key=job.key, now=now)

    async def tidy(self, session: AsyncSession, _job: JobRun) -> None:
        """Forget changes that open pages were told of; they are kept a day, for replay."""
        await live.forget(session, before=self._services.clock.now() - live.KEPT)

    async def sweep(self) -> int:
        """Route stored messages and resend passive replies that a dead process left behind."""
        now = self._services.clock.now()
        routed = 0
        for message_id, contact_id in await self._unrouted(now - ORPHANED):
            try:
                await self._router.route(message_id, contact_id)
            except Exception as error:
                # One that can't be routed may not hold up the others; it is tried again.
                log.error("sweep_route_failed", message=message_id, error=type(error).__name__)
                continue
            routed += 1
        await self._resend(now)
        if routed:
            log.warning("swept", routed=routed)
        return routed

    async def _unrouted(self, before: datetime) -> list[tuple[int, int]]:
        async with self._services.database.read() as session:
            rows = await session.execute(
                select(Message.id, Message.contact_id)
                .where(
                    Message.state == "stored",
                    Message.answerable.is_(True),
                    Message.received_at < before,
                )
                .order_by(Message.id)
                .limit(500)
            )
            return [(row[0], row[1]) for row in rows]

    async def _resend(self, now: datetime) -> None:
        async with self._services.database.read() as session:
            lost = await deliveries.not_handed_over(session, now - ORPHANED)
        if not lost:
            return
        async with self._services.database.write() as session:
            for row in lost:
                delivery = await session.get_one(Delivery, row.id, with_for_update=True)
                if delivery.state != SENDING or delivery.contact_id is None:
                    continue
                delivery.state, delivery.route = QUEUED, API
                contact = await session.get_one(Contact, delivery.contact_id)
                await deliveries.queue(session, contact, delivery, now=now)
        log.warning("resent", deliveries=len(lost))
