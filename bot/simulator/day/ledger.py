"""What the database says at the end of a simulated day.

Read with plain SQL from outside the service, on either engine, so that a mistake in the service's
own queries shows. Called by `bot.cli.simulated.day`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, text

from bot.db.crypto import KeyRing

_MESSAGES = """
    SELECT m.id, m.platform_id, m.contact_id, m.answerable, m.state, m.handler,
      (SELECT count(*) FROM assessment a WHERE a.message_id = m.id) AS screened,
      (SELECT min(e.case_id) FROM case_event e WHERE e.message_id = m.id) AS case_id
    FROM message m ORDER BY m.id
"""
_DELIVERIES = """
    SELECT d.id, d.message_id, d.case_id, d.route, d.kind, d.state, d.receipt, d.reason, d.body,
      d.group_id, d.created_at, d.finished_at, c.external_id
    FROM delivery d LEFT JOIN contact c ON c.id = d.contact_id ORDER BY d.id
"""
_CASES = (
    "SELECT count(*) AS n, coalesce(sum(CASE WHEN phone_now THEN 1 ELSE 0 END), 0) FROM risk_case"
)
_ALARMS = "SELECT kind, sum(count) FROM alarm GROUP BY kind ORDER BY kind"
_DEAD = "SELECT kind, error, count(*) FROM job WHERE state = 'dead' GROUP BY kind, error"
ACCEPTED = "accepted"
ALERT, PASSIVE = "alert", "passive"


@dataclass(frozen=True, slots=True)
class Message:
    """One stored message; `number` is the platform's id, `case` the case it stands in."""

    id: int
    number: str
    contact: int
    answerable: bool
    state: str
    handler: str
    screened: int
    case: int | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One reply or alert; `to` is the group, or the person where there is none.

    Args:
        ended_at: when it was taken or given up; None: neither yet.
    """

    id: int
    message: int | None
    case: int | None
    route: str
    kind: str
    state: str
    receipt: str
    reason: str
    words: str
    group: str
    to: str
    made_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Ledger:
    """The day's rows, as far as they are counted."""

    messages: Sequence[Message]
    deliveries: Sequence[Delivery]
    cases: int
    phone_now: int
    alarms: dict[str, int]
    given_up: Counter[str]

    @classmethod
    def read(cls, engine: Engine, secret_keys: str) -> "Ledger":
        """Read everything in one transaction."""
        ring = KeyRing.parse(secret_keys)
        with engine.connect() as connection:
            messages = connection.execute(text(_MESSAGES)).all()
            deliveries = connection.execute(text(_DELIVERIES)).all()
            cases, phone_now = connection.execute(text(_CASES)).one()
            alarms = connection.execute(text(_ALARMS)).all()
            dead = connection.execute(text(_DEAD)).all()
        return cls(
            [_message(row) for row in messages],
            [_delivery(row, ring) for row in deliveries],
            int(cases),
            int(phone_now),
            {str(kind): int(count) for kind, count in alarms},
            Counter({f"{kind} {error}": int(count) for kind, error, count in dead}),
        )

    def waiting(self) -> int:
        """Return how many replies and alerts have not come to an end."""
        return sum(one.state in ("queued", "sending") for one in self.deliveries)


def _message(row: Any) -> Message:
    return Message(
        id=int(row.id),
        number=str(row.platform_id),
        contact=int(row.contact_id),
        answerable=bool(row.answerable),
        state=str(row.state),
        handler=str(row.handler),
        screened=int(row.screened),
        case=row.case_id,
    )


def _delivery(row: Any, ring: KeyRing) -> Delivery:
    group = str(row.group_id or "")
    return Delivery(
        id=int(row.id),
        message=row.message_id,
        case=row.case_id,
        route=str(row.route),
        kind=str(row.kind),
        state=str(row.state),
        receipt=str(row.receipt),
        reason=str(row.reason),
        words=ring.decrypt(str(row.body), purpose="delivery.body"),
        group=group,
        to=group or str(row.external_id or ""),
        made_at=_moment(row.created_at),
        ended_at=_moment(row.finished_at) if row.finished_at else None,
    )


def _moment(stored: Any) -> datetime:
    """Return a moment as plain SQL gives it: text in UTC on SQLite, aware on PostgreSQL."""
    moment = stored if isinstance(stored, datetime) else datetime.fromisoformat(str(stored))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
