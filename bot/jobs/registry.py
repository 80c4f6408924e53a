"""Which kinds of job exist and who handles them; filled in by `bot.wiring`, read by the worker."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.errors import ConfigInvalid

MAX_ATTEMPTS = 10
TX_TIMEOUT_SECONDS = 20.0
SEND_TIMEOUT_SECONDS = 15.0
OnLost: TypeAlias = Literal["retry", "hold"]


@dataclass(frozen=True, slots=True)
class JobRun:
    """One attempt at a job, as its handler sees it.

    Args:
        key: the job's own key; pass it on where the platform takes an idempotency key.
        attempts: this attempt's number, from 1.
        first_queued: when it was first enqueued (aware, UTC).
        last_attempt: no attempt is left after this one.
        error: in `on_dead` and `on_unknown`: why, as a short code; else empty.
    """

    id: int
    kind: str
    key: str
    payload: Mapping[str, object]
    attempts: int
    lane: str
    first_queued: datetime
    last_attempt: bool
    error: str = ""


OnAck: TypeAlias = Callable[[AsyncSession], Awaitable[None]]
TxHandler: TypeAlias = Callable[[AsyncSession, JobRun], Awaitable[None]]
SendHandler: TypeAlias = Callable[[JobRun], Awaitable[OnAck | None]]
Hook: TypeAlias = Callable[[AsyncSession, JobRun], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class TxKind:
    """A kind whose effect is in the database: effect and acknowledgement are one commit."""

    name: str
    handler: TxHandler
    timeout: float
    max_attempts: int
    on_dead: Hook | None


@dataclass(frozen=True, slots=True)
class SendKind:
    """A kind whose effect is outside: it may happen again if the worker dies before the ack."""

    name: str
    handler: SendHandler
    timeout: float
    max_attempts: int
    on_lost: OnLost
    on_dead: Hook | None
    on_unknown: Hook | None


JobKind: TypeAlias = TxKind | SendKind


class JobRegistry:
    """The kinds of job this process can run."""

    def __init__(self) -> None:
        self._kinds: dict[str, JobKind] = {}

    def tx(
        self,
        kind: str,
        handler: TxHandler,
        *,
        timeout: float = TX_TIMEOUT_SECONDS,
        max_attempts: int = MAX_ATTEMPTS,
        on_dead: Hook | None = None,
    ) -> None:
        """Register a kind whose whole effect is in the database: it happens exactly once.

        Args:
            handler: works in the session it is given, which commits together with the ack.
            timeout: seconds; on SQLite the handler holds the only write lock, so keep it short.
            on_dead: runs in the transaction that buries a job of this kind.
        """
        self._add(TxKind(kind, handler, timeout, max_attempts, on_dead))

    def send(
        self,
        kind: str,
        handler: SendHandler,
        *,
        timeout: float = SEND_TIMEOUT_SECONDS,
        max_attempts: int = MAX_ATTEMPTS,
        on_lost: OnLost = "retry",
        on_dead: Hook | None = None,
        on_unknown: Hook | None = None,
    ) -> None:
        """Register a kind with an effect outside the database: at least once.

        Args:
            handler: may return a function that runs in the transaction that acknowledges the job.
                It may run again after a database error, never after its commit.
            timeout: seconds for the handler.
            on_lost: what becomes of a job whose worker died, or that ran out of time: `retry` may
                send twice, `hold` leaves it as unknown for a person.
            on_dead: runs in the transaction that buries a job of this kind.
            on_unknown: runs in the transaction that holds a job of this kind as unknown.
        """
        self._add(SendKind(kind, handler, timeout, max_attempts, on_lost, on_dead, on_unknown))

    def get(self, kind: str) -> JobKind | None:
        """Return the kind of that name, if this process knows it."""
        return self._kinds.get(kind)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of all kinds."""
        return iter(sorted(self._kinds))

    def _add(self, kind: JobKind) -> None:
        if kind.name in self._kinds:
            raise ConfigInvalid(f"job kind {kind.name} is registered twice")
        if kind.timeout <= 0 or kind.max_attempts < 1:
            raise ConfigInvalid(f"job kind {kind.name}: timeout and max_attempts must be positive")
        self._kinds[kind.name] = kind
