"""How PostgreSQL is connected to: time-outs, so that nothing waits for ever for a dead database.

WeChat gives a callback five seconds. Called by `bot.db.engine` and `bot.db.notices`. What the
address itself says (`?connect_timeout=10&options=…`) wins.

Source: https://www.postgresql.org/docs/current/libpq-connect.html (parameters) and
https://www.postgresql.org/docs/current/runtime-config-client.html (time-outs).
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL

POOL_SIZE, POOL_OVERFLOW = 10, 10
# A burst waits that long for one of the connections; then the platform is to send again.
POOL_SECONDS = 3.0

_CONNECTION: Mapping[str, int | str] = {
    "application_name": "xinqing",
    # A host that is gone answers nothing: the connection is refused only where a host still is.
    "connect_timeout": 3,
    # The same for a host that goes while connected, in milliseconds: what was sent has to arrive …
    "tcp_user_timeout": 4_000,
    # … and a connection on which nothing is sent is tried after ten seconds of silence.
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
}
_SERVER: Mapping[str, int] = {
    # Milliseconds. No statement of the service takes a second; one of ten is a mistake, and keeps
    # one of the pool's connections from callbacks.
    "statement_timeout": 10_000,
    # Row locks are held for milliseconds; a callback that waits longer is better sent again.
    "lock_timeout": 4_000,
    # A process that stands still inside a transaction keeps everybody else from its rows.
    "idle_in_transaction_session_timeout": 30_000,
}
# Migrations wait for one another and rebuild whole tables.
UNHURRIED = ("SET LOCAL statement_timeout = 0", "SET LOCAL lock_timeout = 0")


def connect_options(url: URL) -> dict[str, Any]:
    """Return what the driver is told beside the address."""
    settings = " ".join(f"-c {name}={value}" for name, value in _SERVER.items())
    own = str(url.query.get("options", ""))
    options: dict[str, Any] = {
        name: value for name, value in _CONNECTION.items() if name not in url.query
    }
    return options | {"options": f"{settings} {own}".rstrip()}
