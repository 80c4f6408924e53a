"""Ports that channels and outside services fill in; tests fill them with fakes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from bot.core.messages import IncomingMessage, Reply, ReplyTo

# `code` of a limit that is one person's: nobody else has to wait for it.
SLOWED = "slowed"


@dataclass(frozen=True, slots=True)
class CallbackRequest:
    """A callback as it came off the wire.

    Args:
        query: every value of every query parameter, in order.
        headers: lower-case names.
        body: raw bytes, at most 1 MiB.
    """

    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class CallbackAnswer:
    """What goes back to the platform: status, body and media type."""

    status: int
    body: str
    media_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class SentTask:
    """A part of a notice that the platform took without saying yet whom it reached.

    Args:
        task_id: asks for its result.
        people: staff ids it was for.
    """

    task_id: str
    people: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SendResult:
    """Proof that a platform took a message.

    Args:
        receipt: the platform's own id for the sent message, empty where it gives none.
        tasks: what has still to be asked for; only their results prove anything.
    """

    receipt: str = ""
    tasks: tuple[SentTask, ...] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """What a platform says became of a task.

    Args:
        delivered: how many it reached, those who have read it included.
        missed: how many it did not reach, by reason.
        settled: it knows about everybody.
    """

    delivered: int
    read: int
    missed: Mapping[str, int]
    settled: bool


class Channel(Protocol):
    """One account on one platform. It translates and does nothing else.

    `answers_inside`: words may leave in the callback's answer, within `passive_seconds`.
    """

    name: str
    account: str
    passive_seconds: float
    answers_inside: bool

    def verify(self, request: CallbackRequest) -> CallbackAnswer:
        """Answer the platform's address check.

        Raises:
            CallbackRejected: the signature is wrong.
        """
        ...

    def parse(self, request: CallbackRequest) -> IncomingMessage:
        """Check the signature in constant time, decrypt, parse.

        Raises:
            CallbackRejected: wrong or missing signature, wrong receive id, plaintext in safe mode.
            CallbackMalformed: signed, but not a message that can be read.
        """
        ...

    def passive(
        self, request: CallbackRequest, message: IncomingMessage, reply: Reply | None
    ) -> CallbackAnswer:
        """Return the answer to the callback: the reply, or the bare acknowledgement for None."""
        ...

    async def send(self, to: ReplyTo, text: str, *, key: str) -> SendResult:
        """Send words to a person, or into a group, outside the callback.

        Args:
            text: at most 2,048 UTF-8 bytes.
            key: the delivery's own key, for platforms that take an idempotency key.

        Raises:
            ChannelUnavailable, ChannelRateLimited, ChannelRefused
        """
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


@dataclass(frozen=True, slots=True)
class ReadState:
    """What a platform says about one message to one person.

    Args:
        at: when they read it; None also where the platform says only that they did.
    """

    read: bool
    at: datetime | None = None


@runtime_checkable
class TellsRead(Protocol):
    """A channel whose platform says whether a 1:1 message has been read."""

    async def read_state(self, person: str, receipt: str) -> ReadState | None:
        """Ask for one person and message; None when the platform does not know.

        Raises:
            ChannelUnavailable, ChannelRateLimited, ChannelRefused
        """
        ...


@dataclass(frozen=True, slots=True)
class SentMany:
    """What became of one call for many people.

    Args:
        receipt: the platform's id for all of them.
        missed: whom it did not take the message for, and why (its code, or `SLOWED`).
        again_after: when those who are `SLOWED` may be tried again.
    """

    receipt: str = ""
    missed: Mapping[str, str] = field(default_factory=dict)
    again_after: timedelta = timedelta()


class ManySender(Protocol):
    """An account that tells the same words to many people in one call."""

    def takes(self, person: str) -> bool:
        """Say whether this person can be told in such a call."""
        ...

    async def send_many(self, people: Sequence[str], text: str) -> SentMany:
        """Send words to at most 20 people.

        Raises:
            ChannelUnavailable, ChannelRateLimited, ChannelRefused: for all of them.
        """
        ...


class NoticeTemplate(Protocol):
    """How one account sends a notice to somebody whose window is closed: in the platform's form."""

    async def send(
        self, person: str, words: Mapping[str, str], *, url: str, key: str
    ) -> SendResult:
        """Send one.

        Args:
            words: `title`, `sender` and `time`, in full; the form may take less.
            url: where a tap on it leads; empty: nowhere.
            key: the delivery's own key, for the platform's idempotency key.

        Raises:
            ChannelUnavailable, ChannelRateLimited, ChannelRefused
        """
        ...


class AlertSender(Protocol):
    """One way to wake the people on duty. Its text never holds a parent's words."""

    name: str

    async def send(self, text: str, *, mention_all: bool, key: str) -> SendResult:
        """Post one alert.

        Raises:
            ChannelUnavailable, ChannelRateLimited, ChannelRefused
        """
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


class Caller(Protocol):
    """Calls single people of the organisation; the alert senders that take a list are these."""

    async def call(self, people: Sequence[str], text: str, *, key: str) -> SendResult:
        """Send one alert to people, by their ids in the organisation.

        Raises:
            ChannelUnavailable, ChannelRateLimited, ChannelRefused
        """
        ...


class Pusher(Protocol):
    """Wakes browsers that their people have signed up (Web Push).

    `public_key` is what a browser needs to sign up.
    """

    public_key: str

    def takes(self, address: str) -> bool:
        """Say whether an address leads to a push service that may be called."""
        ...

    async def push(self, address: str, keys: Mapping[str, str], text: str, *, topic: str) -> None:
        """Send a text to one browser.

        Raises:
            ChannelRefused: code `gone` when the browser signed off.
            ChannelUnavailable, ChannelRateLimited
        """
        ...

    async def close(self) -> None:
        """Close connections."""
        ...


class Prover(Protocol):
    """Asks a platform what became of a task; the alert senders whose results have it are these."""

    async def proof(self, task: SentTask) -> Proof:
        """Ask once.

        Raises:
            ChannelUnavailable, ChannelRateLimited, ChannelRefused
        """
        ...
