"""Who has read what the fake DingTalk's robots wrote to people 1:1. Part of `FakeDingtalk`.

Source: open.dingtalk.com, `chatbot-batch-query-the-read-status-of-messages`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.core.clock import epoch_ms

KNOWN_FOR = timedelta(hours=24)
# The same word as the platform's, its misspelling too.
NO_ROBOT, OVER = "invalidParameter.robotCode.notExsit", "processQueryKey.expireTime"


class Reads:
    """The messages of the last day by receipt, and when each person read them."""

    def __init__(self) -> None:
        self._sent: dict[str, tuple[datetime, Sequence[str]]] = {}
        self._read: dict[tuple[str, str], datetime] = {}

    def keep(self, receipt: str, people: Sequence[str], now: datetime) -> None:
        """Remember whom a message reached; oldest first, so what is over goes."""
        while self._sent and now - next(iter(self._sent.values()))[0] > KNOWN_FOR:
            del self._sent[next(iter(self._sent))]
        self._sent[receipt] = (now, people)

    def read(self, receipt: str, person: str, now: datetime) -> None:
        """Let a person open a message."""
        self._read[receipt, person] = now

    def answer(self, receipt: str, now: datetime) -> dict[str, Any] | None:
        """Return what the platform says of a message, None when it says nothing any more."""
        sent_at, people = self._sent.get(receipt, (None, ()))
        if sent_at is None or now - sent_at > KNOWN_FOR:
            return None
        rows = []
        for person in people:
            at = self._read.get((receipt, person))
            row = {"name": "", "userId": person, "readStatus": "READ" if at else "UNREAD"}
            rows.append(row | ({"readTimestamp": epoch_ms(at)} if at else {}))
        return {"sendStatus": "SUCCESS", "messageReadInfoList": rows}
