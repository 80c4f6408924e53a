"""One notice to many people in one call, where a platform takes that: DingTalk's robot, 20 a call.

A call is what DingTalk counts by the month, so a school's notice costs a twentieth of what single
sendings would. The words are the same for everybody, so they hold nobody's own link: 「收到」 in
chat confirms. Whoever can't be told this way any more gets a job of their own (`notice.send`).
Registered with the job table by wiring; a call without an answer is held for all of its people.
Source: open.dingtalk.com, `chatbots-send-one-on-one-chat-messages-in-batches`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import UNKNOWN, ChannelRateLimited, ChannelRefused, ChannelUnavailable
from bot.core.ports import SLOWED, ManySender, SentMany
from bot.jobs.errors import Bury
from bot.jobs.registry import JobRegistry, JobRun
from bot.jobs.table import MAIN_LANE, JobRow, enqueue_many
from bot.pipeline.notice_letters import Letter, Letters
from bot.pipeline.notices import REFUSALS, SEND_TRIES, Acknowledge
from bot.pipeline.saving import Saving
from bot.services import notice_results, notice_rows
from bot.services.container import Services
from bot.services.notice_plan import DINGTALK
from bot.services.notice_words import compose


@dataclass(frozen=True, slots=True)
class _Parted:
    """The people of a job: those who go in one call, and those who need a job of their own."""

    together: Sequence[Letter]
    apart: Sequence[Letter]


class NoticeBatches:
    """Sends one notice to many.

    Args:
        senders: by (channel, account), those that take many people in one call.
        templates: the accounts of WeChat that have a template message for notices.
    """

    def __init__(
        self,
        services: Services,
        senders: Mapping[tuple[str, str], ManySender],
        templates: Collection[str],
        saving: Saving,
    ) -> None:
        self._services = services
        self._senders = senders
        self._templates = templates
        self._saving = saving
        self._letters = Letters(services.database, templates)

    def register(self, registry: JobRegistry) -> None:
        """Add this class's job to the registry."""
        registry.send(
            notice_rows.BATCH,
            self.send,
            max_attempts=SEND_TRIES,
            on_lost="hold",
            on_dead=self.give_up,
            on_unknown=self.hold,
        )

    async def send(self, job: JobRun) -> Acknowledge | None:
        """Send one notice to everybody of a job who can still be told this way."""
        now = self._services.clock.now()
        read = [await self._letters.read(one, now) for one in _deliveries(job)]
        parted = self._part([letter for letter in read if letter is not None])
        if not parted.together:
            return self._noting(parted, SentMany(), now)
        first = parted.together[0]
        account = first.account
        since = first.delivery.created_at
        await self._saving.before(account, urgent=False, free=False, since=since)
        text = compose(
            self._services.phrases, first.notice, first.sender, round_=first.round, link=""
        )
        people = [letter.to.person for letter in parted.together]
        try:
            sent = await self._senders[account].send_many(people, text)
        except ChannelRateLimited as error:
            raise await self._saving.refused(error, account, urgent=False, since=since) from None
        except ChannelUnavailable as error:
            # Whether it was taken is not known: nobody is told the same thing twice.
            raise (Bury(UNKNOWN) if error.code == UNKNOWN else error) from None
        except ChannelRefused:
            # One of them may be the cause: each is tried alone, and says so for itself.
            return self._noting(_Parted((), [*parted.together, *parted.apart]), SentMany(), now)
        return self._noting(parted, sent, now)

    def _part(self, letters: Sequence[Letter]) -> _Parted:
        account = next((one.account for one in letters if one.way.name == DINGTALK), ("", ""))
        sender = self._senders.get(account)
        together = [
            one
            for one in letters
            if sender is not None
            and one.way.name == DINGTALK
            and one.account == account
            and sender.takes(one.to.person)
        ]
        kept = {one.delivery.id for one in together}
        return _Parted(together, [one for one in letters if one.delivery.id not in kept])

    def _noting(self, parted: _Parted, sent: SentMany, now: datetime) -> Acknowledge:
        """Return what writes down the result, in the transaction that acknowledges the job."""
        again = [one for one in parted.together if sent.missed.get(one.to.person) == SLOWED]
        apart = [*parted.apart, *again]

        async def note(session: AsyncSession) -> None:
            for letter in parted.together:
                code = sent.missed.get(letter.to.person)
                if code is None:
                    await notice_results.accepted(
                        session,
                        letter.delivery.id,
                        way=letter.way,
                        receipt=sent.receipt or "ok",
                        templates=self._templates,
                        now=now,
                    )
                elif code != SLOWED:
                    await notice_results.gave_up(
                        session,
                        letter.delivery.id,
                        reason=REFUSALS.get(code, f"refused: {code}"),
                        now=now,
                    )
            await enqueue_many(session, [_alone(one, sent, now) for one in apart])

        return note

    async def give_up(self, session: AsyncSession, job: JobRun) -> None:
        """Record that a call did not get through, in the transaction that buries its job."""
        now = self._services.clock.now()
        for one in _deliveries(job):
            await notice_results.gave_up(session, one, reason=job.error, now=now)

    async def hold(self, session: AsyncSession, job: JobRun) -> None:
        """Record that a call's result is unknown, for each of its people."""
        now = self._services.clock.now()
        for one in _deliveries(job):
            await notice_results.held(
                session, one, reason=job.error, templates=self._templates, now=now
            )


def _deliveries(job: JobRun) -> list[int]:
    ids = job.payload["deliveries"]
    return [int(str(one)) for one in ids] if isinstance(ids, list) else []


def _alone(letter: Letter, sent: SentMany, now: datetime) -> JobRow:
    slowed = letter.to.person in sent.missed
    return JobRow(
        kind=notice_rows.SEND,
        payload={"delivery": letter.delivery.id},
        key=letter.delivery.key,
        now=now,
        lane=letter.way.lane or MAIN_LANE,
        prio=notice_rows.SEND_PRIO,
        run_at=now + sent.again_after if slowed else now,
    )
