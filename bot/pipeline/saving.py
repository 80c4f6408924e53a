"""What a platform's limits mean for the jobs that send: who waits, who goes, who is given up.

A reply that is not urgent and has no free way waits, outside the lane, so that nothing else waits
with it; after a day it is given up. An urgent one always goes; if the platform takes none, its job
is given up at once, so that the case says to phone now instead of waiting for the next month.
Called by `bot.pipeline.delivery`.
"""

from datetime import datetime, timedelta

from bot.core.clock import Clock
from bot.core.errors import ChannelRateLimited
from bot.core.ports import SLOWED
from bot.jobs.errors import Bury, Retry
from bot.services.quota import USED_UP, Account, Meter, Room

LOOK_AGAIN = timedelta(minutes=10)
# What nobody has read for a day is better not sent at all.
HELD_BACK = timedelta(days=1)


class Saving:
    """Decides for one sending at a time."""

    def __init__(self, meter: Meter, clock: Clock) -> None:
        self._meter = meter
        self._clock = clock

    async def before(self, account: Account, *, urgent: bool, free: bool, since: datetime) -> None:
        """Return when a reply may be tried now.

        Args:
            free: it leaves by a way that costs no call.
            since: when it was written.

        Raises:
            Retry: not yet.
            Bury: it has waited too long.
        """
        if urgent or free or await self._meter.room(account) is Room.PLENTY:
            return
        raise self._later(since)

    async def refused(
        self, error: ChannelRateLimited, account: Account, *, urgent: bool, since: datetime
    ) -> Exception:
        """Return what a platform's "not now" comes to.

        A limit for this one person delays this one reply, and counts as a try, so that an urgent
        one ends with a call by phone; any other limit pauses the lane, as the job table does it.
        """
        if error.code == SLOWED:
            wait = (error.retry_at - self._clock.now()).total_seconds()
            return Retry(max(1.0, wait), reason=SLOWED)
        if error.code != USED_UP:
            return error
        await self._meter.refused(account)
        return Bury(USED_UP) if urgent else self._later(since)

    def _later(self, since: datetime) -> Exception:
        if self._clock.now() - since >= HELD_BACK:
            return Bury(USED_UP)
        return Retry(LOOK_AGAIN.total_seconds(), count=False, reason=USED_UP)
