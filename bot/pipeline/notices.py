"""Notices on their way: expanded to one delivery per guardian, sent, corrected when withdrawn.

Registered with the job table by wiring; the payloads hold ids only. Sending is held when its result
is unknown (the worker died, the platform never answered): the author sees it, nobody gets it twice.
Everything is looked at again right before it leaves: the notice may be withdrawn, the window
closed, the guardian blocked.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import UNKNOWN, ChannelRateLimited, ChannelRefused, ChannelUnavailable
from bot.core.messages import IncomingMessage, Kind
from bot.core.ports import Channel, NoticeTemplate, SendResult
from bot.db.models import Contact, Delivery, Notice, Place
from bot.db.models.delivery import ACCEPTED, CONFIRMED, READ
from bot.db.models.delivery import UNKNOWN as HELD
from bot.db.models.notice import EXPANDING, SENT
from bot.jobs.errors import Bury, Retry
from bot.jobs.registry import JobRegistry, JobRun
from bot.jobs.table import enqueue
from bot.pipeline.notice_letters import Letter, Letters
from bot.pipeline.saving import Saving
from bot.services import links, notice_plan, notice_results, notice_rows, notice_words
from bot.services.container import Services
from bot.services.live import publish
from bot.services.notice_plan import CLOSED, TEMPLATE, UNFOLLOWED, Way
from bot.services.notice_rows import CORRECTION
from bot.services.notice_words import compose
from bot.services.notices import CORRECT, EXPAND, EXPAND_PRIO

Acknowledge = Callable[[AsyncSession], Awaitable[None]]
# Children of one step: short enough that the storing of messages hardly waits for it on SQLite.
CHUNK = 200
# About a quarter of an hour: what is down for longer is tried again by a person.
SEND_TRIES = 8
LINK_VALID = timedelta(days=14)
# The platforms' codes for "not to this person", PLATFORMS §1.4.
REFUSALS = {
    "45015": CLOSED,
    "45047": CLOSED,
    "outside": CLOSED,
    "webhook_expired": CLOSED,
    "40003": UNFOLLOWED,
    "43004": UNFOLLOWED,
    "invalid": UNFOLLOWED,
    "43101": "refused",
    "48002": "refused",
    "filtered": "refused",
}


class Notices:
    """Expands and sends.

    Args:
        templates: by account of WeChat, how its template message is sent.
        saving: what becomes of notices when a platform's month is nearly used up.
    """

    def __init__(
        self,
        services: Services,
        channels: Mapping[tuple[str, str], Channel],
        templates: Mapping[str, NoticeTemplate],
        saving: Saving,
    ) -> None:
        self._services = services
        self._channels = channels
        self._templates = templates
        self._saving = saving
        self._letters = Letters(services.database, templates.keys())

    def register(self, registry: JobRegistry) -> None:
        """Add this class's jobs to the registry."""
        registry.tx(EXPAND, self.expand)
        registry.tx(CORRECT, self.correct)
        registry.send(
            notice_rows.SEND,
            self.send,
            max_attempts=SEND_TRIES,
            on_lost="hold",
            on_dead=self.give_up,
            on_unknown=self.hold,
        )

    async def expand(self, session: AsyncSession, job: JobRun) -> None:
        """Write the deliveries of the next children, then queue the step after."""
        now = self._services.clock.now()
        notice = await session.get_one(Notice, job.payload["notice"], with_for_update=True)
        if notice.state != EXPANDING or notice.rounds != job.payload["round"]:
            return
        if notice.rounds == 1:
            scope = notice_plan.children_below(await session.get_one(Place, notice.place_id))
        else:
            scope = notice_plan.children_open(notice.id)
        (child_id,) = scope.selected_columns
        part = scope.where(child_id > notice.expanded).order_by(child_id).limit(CHUNK)
        children = list(await session.scalars(part))
        if children:
            if notice.rounds == 1:
                await notice_rows.add_children(session, notice.id, children)
            guardians = await notice_plan.guardians_of(session, children)
            ways = await notice_plan.ways(
                session, guardians, scope, now=now, templates=self._templates.keys()
            )
            new = await notice_rows.add(session, notice, ways, {}, now=now)
            if notice.rounds == 1:
                new["children"] = len(children)
                notice.counts = dict(Counter(notice.counts) + new)
            notice.expanded = children[-1]
        if len(children) < CHUNK:
            notice.state = SENT
            await publish(session, "notice", place_id=notice.place_id, case_id=None, now=now)
            return
        await enqueue(
            session,
            EXPAND,
            dict(job.payload),
            key=f"{EXPAND}:{notice.id}:{notice.rounds}:{notice.expanded}",
            now=now,
            prio=EXPAND_PRIO,
        )

    async def correct(self, session: AsyncSession, job: JobRun) -> None:
        """Tell those who were sent a notice that it is withdrawn, a part at a time."""
        now, after = self._services.clock.now(), int(str(job.payload.get("after", 0)))
        notice = await session.get_one(Notice, job.payload["notice"])
        rows = await session.execute(
            select(Delivery.id, Delivery.guardian_id, Delivery.contact_id)
            .where(
                Delivery.notice_id == notice.id,
                Delivery.id > after,
                Delivery.source != notice_rows.source(CORRECTION),
                Delivery.state.in_((ACCEPTED, READ, HELD))
                | ((Delivery.state == CONFIRMED) & (Delivery.receipt != "")),
            )
            .order_by(Delivery.id)
            .limit(CHUNK)
        )
        told = rows.all()
        templates = self._templates.keys()
        guardians = await notice_plan.ways(
            session,
            {row.guardian_id for row in told if row.guardian_id is not None},
            notice_plan.children_concerned(notice.id),
            now=now,
            templates=templates,
        )
        others = await notice_plan.ways_to_contacts(
            session,
            {row.contact_id for row in told if row.guardian_id is None},
            purpose=notice_plan.purpose_of(notice),
            now=now,
            templates=templates,
        )
        await notice_rows.add(session, notice, guardians, others, now=now, round_=CORRECTION)
        if len(told) == CHUNK:
            last = told[-1].id
            payload = {"notice": notice.id, "after": last}
            await enqueue(session, CORRECT, payload, key=f"{CORRECT}:{notice.id}:{last}", now=now)

    async def send(self, job: JobRun) -> Acknowledge | None:
        """Send one delivery over the way that is open to its person now."""
        now = self._services.clock.now()
        letter = await self._letters.read(int(str(job.payload["delivery"])), now)
        if letter is None:
            return None
        if letter.contact is None or not letter.way.name:
            raise Bury(letter.way.reason or notice_plan.NO_CONTACT)
        account = letter.account
        since = letter.delivery.created_at
        await self._saving.before(account, urgent=False, free=bool(letter.to.address), since=since)
        link = await self._link(letter, now)
        try:
            way, result = await self._leave(letter, letter.contact, link)
        except ChannelRateLimited as error:
            raise await self._saving.refused(error, account, urgent=False, since=since) from None
        except ChannelUnavailable as error:
            # Whether it was taken is not known: nobody is told the same thing twice.
            raise (Bury(UNKNOWN) if error.code == UNKNOWN else error) from None
        except ChannelRefused as error:
            raise Bury(REFUSALS.get(error.code, f"refused: {error.code}")) from None
        return partial(
            notice_results.accepted,
            delivery_id=letter.delivery.id,
            way=way,
            receipt=result.receipt or "ok",
            templates=self._templates.keys(),
            now=now,
        )

    async def _link(self, letter: Letter, now: datetime) -> str:
        """Return the address on which this person can confirm; empty: there is none."""
        services = self._services
        correction = letter.round == CORRECTION
        # Behind a form the page is the only place where the words can be read.
        wanted = letter.notice.kind == "notice" and (letter.notice.confirm or letter.formed)
        if not services.public_url or not wanted or correction:
            return ""
        async with services.database.write() as session:
            token = await links.make(
                session,
                services.ring,
                purpose="notice",
                contact_id=letter.way.contact_id or 0,
                notice_id=letter.notice.id,
                now=now,
                length=LINK_VALID,
            )
        return f"{services.public_url}/p/{token}"

    async def _leave(self, letter: Letter, contact: Contact, link: str) -> tuple[Way, SendResult]:
        if letter.way.name == TEMPLATE:
            return letter.way, await self._by_template(letter, contact, link)
        channel = self._channels.get((contact.channel, contact.account))
        if channel is None:
            raise Bury("no such account")
        round_ = letter.round
        text = compose(
            self._services.phrases, letter.notice, letter.sender, round_=round_, link=link
        )
        try:
            return letter.way, await channel.send(letter.to, text, key=letter.delivery.key)
        except ChannelRefused as error:
            closed = REFUSALS.get(error.code) == CLOSED
            if not closed or not letter.formed:
                raise
        way = Way(TEMPLATE, letter.way.contact_id, letter.way.lane)
        return way, await self._by_template(letter, contact, link)

    async def _by_template(self, letter: Letter, contact: Contact, link: str) -> SendResult:
        words = notice_words.template(
            self._services.phrases,
            letter.notice,
            letter.sender,
            round_=letter.round,
            now=self._services.clock.now(),
        )
        try:
            return await self._templates[contact.account].send(
                contact.external_id, words, url=link, key=letter.delivery.key
            )
        except ChannelRateLimited as error:
            # Answers share the account, and go on: only this one message waits.
            wait = (error.retry_at - self._services.clock.now()).total_seconds()
            raise Retry(max(1.0, wait), count=False, reason=error.code) from None

    async def give_up(self, session: AsyncSession, job: JobRun) -> None:
        """Record that a delivery did not get through, in the transaction that buries its job."""
        await notice_results.gave_up(
            session,
            int(str(job.payload["delivery"])),
            reason=job.error,
            now=self._services.clock.now(),
        )

    async def hold(self, session: AsyncSession, job: JobRun) -> None:
        """Record that a delivery's result is unknown."""
        await notice_results.held(
            session,
            int(str(job.payload["delivery"])),
            reason=job.error,
            templates=self._templates.keys(),
            now=self._services.clock.now(),
        )

    async def reported(self, message: IncomingMessage) -> None:
        """Take what a platform reports by itself: somebody has read it, or it did not arrive."""
        receipt, event = message.extra.get("receipt", ""), message.extra.get("event", "")
        if message.kind is not Kind.RECEIPT or not receipt or not message.vouched:
            return
        who = {"account": message.account, "person": message.sender, "receipt": receipt}
        now = self._services.clock.now()
        status = message.extra.get("status", "")
        if event == "robot_msg_read":
            async with self._services.database.write() as session:
                await notice_results.read(session, **who, now=now)
        elif event == "templatesendjobfinish" and status != "success":
            async with self._services.database.write() as session:
                await notice_results.template_failed(session, **who, status=status, now=now)
