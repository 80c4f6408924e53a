"""Calls to the people on duty inside DingTalk: work notification, DING, a card in their group.

They stand beside the group webhooks (`bot.channels.alerts`) and take the same text: where to look,
never what a parent wrote. Each call counts against the organisation's month. Built by wiring on the
clients of the configured robots, which they share and do not close.

Source: open.dingtalk.com, `asynchronous-sending-of-enterprise-session-messages`,
`robot-sends-nail-message`, `create-and-deliver-cards`.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from bot.channels.dingtalk import cards
from bot.channels.dingtalk.client import DING_MOST, DingtalkClient
from bot.channels.dingtalk.work import DUPLICATE, WorkNotices
from bot.channels.words import fit
from bot.core.errors import ConfigInvalid
from bot.core.ports import Proof, SendResult, SentTask

log = structlog.get_logger(__name__)

TITLE_LENGTH = 40
# A work notification takes 2,048 bytes with its JSON around it.
MAX_BYTES = 1400


class WorkAlerts:
    """Work notifications to listed people.

    The platform says who was reached only when asked, so the result names tasks to ask for. The
    text ends with a mark of this delivery's own: a second alert of the same words is not dropped,
    and one that is sent again after a break is dropped for whom it has reached already.
    """

    def __init__(self, name: str, people: Sequence[str], notices: WorkNotices) -> None:
        self.name = name
        self._people = tuple(people)
        self._notices = notices

    async def send(self, text: str, *, mention_all: bool, key: str) -> SendResult:
        """Send to everybody listed; raises what `call` does."""
        return await self.call(self._people, text, key=key)

    async def call(self, people: Sequence[str], text: str, *, key: str) -> SendResult:
        """Send to people, 100 a call.

        Raises:
            ChannelUnavailable, ChannelRateLimited: something may be tried again, with the same key.
            ChannelRefused: no part was taken.
        """
        mark = hashlib.sha256(key.encode()).hexdigest()[:8]
        words = f"{fit(text, MAX_BYTES)}\n\n#{mark}"
        done = await self._notices.send(people, text[:TITLE_LENGTH], words)
        errors = [task.error for task in done if task.error is not None]
        for error in errors:
            if error.retryable:
                raise error
        taken = tuple(SentTask(task.task_id, task.people) for task in done if task.error is None)
        if not taken:
            raise errors[0]
        if errors:
            log.warning("work_parts_refused", target=self.name, parts=len(errors))
        return SendResult(taken[0].task_id, taken)

    async def proof(self, task: SentTask) -> Proof:
        """Ask what became of one part.

        Raises:
            ChannelUnavailable, ChannelRateLimited, ChannelRefused
        """
        result = await self._notices.result(task.task_id)
        missed = Counter(result.missed.values())
        # Dropped as a repetition: this very text has reached them before.
        repeated = missed.pop(DUPLICATE, 0)
        return Proof(
            delivered=len(result.read | result.unread) + repeated,
            read=len(result.read),
            missed=dict(missed),
            settled=result.is_settled(task.people),
        )

    async def close(self) -> None:
        """Leave the client to its channel."""


class DingAlerts:
    """A DING inside the app to listed people; not every edition may send it.

    The platform knows no idempotency key, so a list that needs two calls would ring the first part
    again whenever the second one failed.

    Args:
        people: as many as one call takes.

    Raises:
        ConfigInvalid: they are more.
    """

    def __init__(self, name: str, people: Sequence[str], client: DingtalkClient) -> None:
        if len(people) > DING_MOST:
            raise ConfigInvalid(
                f"XINQING_ALERT__{name.upper()}__PEOPLE: a DING takes {DING_MOST} people at most, "
                f"these are {len(people)}; share them out over two alerts"
            )
        self.name = name
        self._people = tuple(people)
        self._client = client

    async def send(self, text: str, *, mention_all: bool, key: str) -> SendResult:
        """Send one DING to everybody listed; raises what `call` does."""
        return await self.call(self._people, text, key=key)

    async def call(self, people: Sequence[str], text: str, *, key: str) -> SendResult:
        """Send one DING to people.

        Raises:
            ChannelUnavailable, ChannelRateLimited
            ChannelRefused: the organisation may not, or it reached nobody.
        """
        return await self._client.ding(people, fit(text))

    async def close(self) -> None:
        """Leave the client to its channel."""


@dataclass(frozen=True, slots=True)
class CardCallback:
    """Where clicks are to be posted when they do not come over Stream.

    Args:
        url: our address for them.
        secret: signs them; the robot's `card_secret`.
    """

    url: str
    secret: str = field(repr=False)


class CardAlerts:
    """A card with a button in the duty group; using it does nothing but say where to go on.

    Args:
        callback: None when clicks come over Stream.
    """

    def __init__(
        self,
        name: str,
        client: DingtalkClient,
        *,
        group: str,
        template: str,
        callback: CardCallback | None = None,
    ) -> None:
        self.name = name
        self._client = client
        self._group = group
        self._template = template
        self._callback = callback
        self._registered = False

    async def send(self, text: str, *, mention_all: bool, key: str) -> SendResult:
        """Put one card into the group; the same key again is the same card.

        Raises:
            ChannelUnavailable, ChannelRateLimited, ChannelRefused
        """
        if self._callback is not None and not self._registered:
            await cards.register(
                self._client, self.name, url=self._callback.url, secret=self._callback.secret
            )
            self._registered = True
        return await cards.send_card(
            self._client,
            template=self._template,
            card=key,
            values={"text": fit(text, 1000), "state": ""},
            group=self._group,
            callback="STREAM" if self._callback is None else "HTTP",
            route_key="" if self._callback is None else self.name,
        )

    async def close(self) -> None:
        """Leave the client to its channel."""
