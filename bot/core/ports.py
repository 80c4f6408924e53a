"""Ports that channels and outside services fill in; tests fill them with fakes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bot.core.messages import IncomingMessage, Reply, ReplyTo


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


class Prover(Protocol):
    """Asks a platform what became of a task; the alert senders whose results have it are these."""

    async def proof(self, task: SentTask) -> Proof:
        """Ask once.

        Raises:
            ChannelUnavailable, ChannelRateLimited, ChannelRefused
        """
        ...
