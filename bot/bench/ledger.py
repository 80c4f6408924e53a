"""What the database says after a run: which message was stored, answered, how often, with what.

Read with plain SQL from outside the service, so that a mistake in its own queries shows; fields are
opened with the ring, or with the data key of the district they lie under. Called by
`bench callbacks`, `bench loss` and `bench stream`.
"""

import base64
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from bot.bench.databases import plain_engine
from bot.db.crypto import KeyRing

_MESSAGES = "SELECT id, platform_id, contact_id, state, answerable FROM message ORDER BY id"
_DELIVERIES = (
    "SELECT d.id, d.key, d.message_id, d.route, d.kind, d.state, d.receipt, d.body, d.case_id,"
    " c.external_id FROM delivery d LEFT JOIN contact c ON c.id = d.contact_id ORDER BY d.id"
)


_KEYS = "SELECT key_id, sealed FROM tenant_key"


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One stored message; `number` is the platform's id."""

    id: int
    number: str
    contact: int
    state: str
    answerable: bool


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """One stored reply or alert, its words decrypted."""

    id: int
    key: str
    message: int | None
    route: str
    kind: str
    state: str
    receipt: str
    words: str
    case: int | None
    openid: str | None

    @property
    def first(self) -> bool:
        """Say whether this is the first reply of an outcome."""
        return self.message is not None and self.key == f"message:{self.message}:0"


@dataclass(frozen=True, slots=True)
class Ledger:
    """Messages, replies and alerts of one database.

    Args:
        screened: assessments per message id.
        cased: ids of messages that stand in a case's timeline.
    """

    messages: Sequence[StoredMessage]
    deliveries: Sequence[StoredDelivery]
    screened: Counter[int]
    cased: frozenset[int]

    @classmethod
    def read(cls, database: str, secret_keys: str) -> "Ledger":
        """Read everything in one transaction."""
        ring = KeyRing.parse(secret_keys)
        with plain_engine(database).connect() as connection:
            messages = [
                StoredMessage(row[0], row[1], row[2], row[3], bool(row[4]))
                for row in connection.execute(text(_MESSAGES))
            ]
            keys = _district_keys(connection, ring)
            deliveries = [
                _delivery(tuple(row), ring, keys) for row in connection.execute(text(_DELIVERIES))
            ]
            screened = connection.execute(text("SELECT message_id FROM assessment")).all()
            cased = connection.execute(
                text("SELECT message_id FROM case_event WHERE message_id IS NOT NULL")
            ).all()
        return cls(
            messages,
            deliveries,
            Counter(row[0] for row in screened),
            frozenset(row[0] for row in cased),
        )

    def by_number(self) -> dict[str, list[StoredMessage]]:
        """Return the rows of each platform id; more than one would be a doubled message."""
        found: dict[str, list[StoredMessage]] = {}
        for message in self.messages:
            found.setdefault(message.number, []).append(message)
        return found

    def replies(self) -> dict[int, list[StoredDelivery]]:
        """Return the first replies of each message id; more than one would be a second answer."""
        found: dict[int, list[StoredDelivery]] = {}
        for delivery in self.deliveries:
            if delivery.first and delivery.message is not None:
                found.setdefault(delivery.message, []).append(delivery)
        return found


def _district_keys(connection: Connection, ring: KeyRing) -> dict[str, KeyRing]:
    """Return the data keys of districts by their id, as they stand in the database."""
    found = {}
    for key_id, sealed in connection.execute(text(_KEYS)):
        opened = base64.b64decode(ring.decrypt(sealed, purpose="tenant_key.sealed"))
        found[key_id] = KeyRing([(key_id, opened)])
    return found


def _delivery(
    row: tuple[object, ...], ring: KeyRing, keys: Mapping[str, KeyRing]
) -> StoredDelivery:
    identity, key, message, route, kind, state, receipt, body, case, openid = row
    under = keys.get(str(body).partition(".")[0], ring)
    words = under.decrypt(str(body), purpose="delivery.body")
    return StoredDelivery(
        int(str(identity)),
        str(key),
        None if message is None else int(str(message)),
        str(route),
        str(kind),
        str(state),
        str(receipt),
        words,
        None if case is None else int(str(case)),
        None if openid is None else str(openid),
    )
