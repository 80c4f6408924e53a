"""Delivery: the jobs that send what was not answered passively, and the sweeps after a crash.

Registered with the job table by wiring; the payloads hold ids only.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import ChannelRateLimited, ChannelUnavailable
from bot.core.messages import ReplyTo
from bot.core.ports import AlertSender, Channel, SendResult
from bot.db.failures import kind_of
from bot.db.models import Contact, Delivery, Message
from bot.db.models.delivery import ACCEPTED, ALERT, API, QUEUED, SENDING
from bot.jobs.errors import Bury
from bot.jobs.registry import JobRegistry, JobRun
from bot.pipeline.calls import Calls
from bot.pipeline.patience import REPLY_TRIES, Patience
from bot.pipeline.router import Router
from bot.pipeline.saving import Saving
from bot.pipeline.work import Proofs
from bot.services import (
    alarms,
    alert_next,
    alerts,
    cases,
    contacts,
    deliveries,
    ladder,
    live,
    offers,
    places,
    priority,
    wording,
)
from bot.services.container import Services
from bot.services.quota import USED_UP

log = structlog.get_logger(__name__)

Acknowledge = Callable[[AsyncSession], Awaitable[None]]
# A callback that still runs answers within 5 seconds; what is older belongs to nobody.
ORPHANED = timedelta(seconds=20)
# The person can't be reached this way at all; anything else is a failure of the sending.
UNREACHABLE = ("window_closed", "ChannelRefused")
ALERT_TRIES = 12


class Deliverer:
    """Send replies and alerts, climb ladders, and pick up what a crash left behind.

    Args:
        patience: how often a reply is tried.
        saving: what becomes of replies when a platform's month is nearly used up.
        proofs: asks whom alerts reached, where the platform does not say at once.
        calls: calls single people.
    """

    def __init__(
        self,
        services: Services,
        router: Router,
        channels: Mapping[tuple[str, str], Channel],
        senders: Mapping[str, AlertSender],
        patience: Patience,
        saving: Saving,
        proofs: Proofs,
        calls: Calls,
    ) -> None:
        self._services = services
        self._router = router
        self._channels = channels
        self._senders = senders
        self._patience = patience
        self._saving = saving
        self._proofs = proofs
        self._calls = calls

    def register(self, registry: JobRegistry) -> None:
        """Add this class's jobs to the registry."""
        registry.send("reply.send", self.send_reply, max_attempts=REPLY_TRIES, on_dead=self.bury)
        registry.send("alert.send", self.send_alert, max_attempts=ALERT_TRIES, on_dead=self.bury)
        registry.tx("ladder.step", self.climb)
        registry.tx(alerts.LOOK, self.look_for_receipt)
        registry.tx(priority.KIND, self.look_for_answer)
        registry.tx(offers.KIND, self.end_offer)
        registry.tx("contact.tell", self.tell)
        registry.tx("upkeep.nightly", self.tidy)
        self._proofs.register(registry)

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
        to, urgent = await self._reply_to(contact, delivery, now)
        reachable = delivery.group is not None or contacts.can_write(contact, now)
        if not reachable and not to.address:
            raise Bury("window_closed")
        account, since = (contact.channel, contact.account), delivery.created_at
        await self._saving.before(account, urgent=urgent, free=bool(to.address), since=since)
        try:
            result = await channel.send(to, delivery.body, key=delivery.key)
        except ChannelRateLimited as error:
            await self._patience.limited(error, delivery)
            raise await self._saving.refused(error, account, urgent=urgent, since=since) from None
        except ChannelUnavailable as error:
            raise await self._patience.failed(error, delivery) from None
        return self._receipt(delivery.id, result.receipt)

    async def _reply_to(
        self, contact: Contact, delivery: Delivery, now: datetime
    ) -> tuple[ReplyTo, bool]:
        """Return where a reply goes, and whether it is urgent: so is all in an open case.

        What is urgent tells of a case, so 1:1 it goes to whom the platform knows, and to the own
        address of a message only if that is the one way there is.
        """
        group = delivery.group
        async with self._services.database.read() as session:
            case = await cases.open_case(session, contact.id)
            urgent = case is not None or delivery.kind in deliveries.URGENT_KINDS
            sensitive = urgent and group is None and contacts.can_write(contact, now)
            address, until = await contacts.return_address(
                session,
                contact.id,
                group,
                now=now,
                answered_id=None if sensitive else delivery.message_id,
            )
        return ReplyTo(contact.external_id, group, address, until), urgent

    async def send_alert(self, job: JobRun) -> Acknowledge | None:
        """Call the people on duty in one way."""
        found = await self._delivery(job)
        if found is None:
            return None
        delivery, _ = found
        await self._proofs.check_day(delivery.target, delivery.staff_id)
        try:
            result = await self._call(delivery)
        except ChannelRateLimited as error:
            if error.code == USED_UP:
                # Waiting for the next month helps nobody: the case stands on the desk.
                raise Bury(USED_UP) from None
            raise
        if result.tasks:
            return partial(self._proofs.expect, delivery_id=delivery.id, tasks=result.tasks)
        return self._receipt(delivery.id, result.receipt or "ok")

    async def _call(self, delivery: Delivery) -> SendResult:
        """Call one person, or a group or list, in the way that a delivery names.

        Raises:
            Bury: there is no such way.
        """
        if delivery.staff_id is not None:
            return await self._calls.send(delivery)
        sender = self._senders.get(delivery.target)
        if sender is None:
            raise Bury("no such group")
        return await sender.send(delivery.body, mention_all=True, key=delivery.key)

    async def _delivery(self, job: JobRun) -> tuple[Delivery, Contact | None] | None:
        async with self._services.database.read() as session:
            delivery = await session.get(Delivery, job.payload["delivery"])
            if delivery is None or delivery.state == ACCEPTED or not delivery.body:
                # Sent already, or its words were erased while it waited.
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
        delivery_id = int(str(job.payload["delivery"]))
        now = self._services.clock.now()
        await deliveries.gave_up(
            session,
            delivery_id,
            reason=job.error,
            unreachable=job.error.startswith(UNREACHABLE),
            now=now,
        )
        delivery = await session.get_one(Delivery, delivery_id)
        if delivery.contact_id and await cases.open_case(session, delivery.contact_id) is None:
            # No page shows it, so the operator is to know that somebody got no answer.
            await alarms.raise_alarm(session, "reply_failed", now=now, policy=self._services.policy)
        if delivery.route == ALERT:
            # A way to call people that does not work is for the operator to mend.
            await alarms.raise_alarm(
                session,
                "quota_exhausted" if job.error == USED_UP else "alert_failed",
                now=now,
                subject=delivery.target,
                policy=self._services.policy,
            )
            await alert_next.failed(session, self._services.policy, delivery, now=now)

    async def look_for_receipt(self, session: AsyncSession, job: JobRun) -> None:
        """Look whether a call of a step arrived, and go on to the next way if none did."""
        await alert_next.look(
            session,
            self._services.policy,
            case_id=int(str(job.payload["case"])),
            key=str(job.payload["key"]),
            step=int(str(job.payload["step"])),
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

    async def end_offer(self, session: AsyncSession, job: JobRun) -> None:
        """End an offer whose time is up, or whose person has left, and ask the next one."""
        now = self._services.clock.now()
        await offers.look(session, int(str(job.payload["offer"])), now=now)

    async def look_for_answer(self, session: AsyncSession, job: JobRun) -> None:
        """Look whether a parent has answered the safety question."""
        await priority.look(
            session,
            case_id=int(str(job.payload["case"])),
            round_=str(job.payload["round"]),
            delivery_id=int(str(job.payload["delivery"])),
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
                log.error("sweep_route_failed", message=message_id, error=kind_of(error))
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
