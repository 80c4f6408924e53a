"""How long a reply is tried for, and when its person is better phoned.

Called by `bot.pipeline.delivery` for what a platform could not be told.
"""

from datetime import datetime, timedelta

from bot.core.clock import Clock
from bot.core.errors import UNKNOWN, ChannelRateLimited, ChannelUnavailable
from bot.db.engine import Database
from bot.db.models import Delivery
from bot.jobs.errors import Bury, Retry
from bot.services import deliveries

# About three quarters of an hour, which is longer than most outages.
REPLY_TRIES = 14
# Seconds after a call whose answer never came. The platform may have taken it, and a parent who
# reads the same words again and again trusts none of them; WeChat counts each of them, too.
DOUBT_WAITS = {True: (30.0, 300.0, 1_800.0), False: (60.0, 900.0)}
# An urgent reply that has not gone out by then is one for the phone as well.
LATE_AFTER = timedelta(seconds=30)


class Patience:
    """Decides for one failed sending at a time."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def failed(self, error: ChannelUnavailable, delivery: Delivery) -> Exception:
        """Return what a platform's failure comes to."""
        doubted = error.code == UNKNOWN
        doubts = delivery.doubts + doubted
        await self._note(delivery, doubts, self._clock.now())
        if not doubted:
            return error
        waits = DOUBT_WAITS[_is_urgent(delivery)]
        if doubts > len(waits):
            return Bury(UNKNOWN)
        return Retry(waits[doubts - 1], reason=UNKNOWN)

    async def limited(self, error: ChannelRateLimited, delivery: Delivery) -> None:
        """Note that a reply has to wait for a platform's limit."""
        await self._note(delivery, delivery.doubts, error.retry_at)

    async def _note(self, delivery: Delivery, doubts: int, until: datetime) -> None:
        """Write down that a reply will not have gone out before a moment."""
        late = _is_urgent(delivery) and until - delivery.created_at >= LATE_AFTER
        if doubts == delivery.doubts and not late:
            return
        async with self._database.write() as session:
            await deliveries.held_up(
                session, delivery.id, doubts=doubts, phone=late, now=self._clock.now()
            )


def _is_urgent(delivery: Delivery) -> bool:
    return delivery.kind in deliveries.URGENT_KINDS
