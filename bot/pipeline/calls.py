"""Call one person on duty: by their id in the organisation, or in the browsers they signed up.

Called by `bot.pipeline.delivery` for alerts that name a person. A browser that has signed off is
forgotten; the call counts as taken when any of a person's browsers took it.
"""

from collections.abc import Mapping

from bot.core.errors import ChannelError, ChannelRefused
from bot.core.ports import Caller, Pusher, SendResult
from bot.db.models import Delivery, Staff
from bot.services import push
from bot.services.container import Services
from bot.services.push import Browser


class Calls:
    """The ways to single people.

    Args:
        callers: by name of the way, those that call by the organisation's id.
        pusher: wakes browsers; None: not set up.
    """

    def __init__(
        self, services: Services, callers: Mapping[str, Caller], pusher: Pusher | None
    ) -> None:
        self._services = services
        self._callers = callers
        self._pusher = pusher

    async def send(self, delivery: Delivery) -> SendResult:
        """Send one alert to the person it names.

        Raises:
            ChannelUnavailable, ChannelRateLimited
            ChannelRefused: there is no such way, or the person can't be called in it any more.
        """
        async with self._services.database.read() as session:
            person = await session.get(Staff, delivery.staff_id)
            browsers = await push.of_person(session, person.id) if person else []
        if person is None or not person.active:
            raise ChannelRefused("nobody to call", code="invalid")
        caller = self._callers.get(delivery.target)
        if caller is None:
            return await self._wake(delivery, browsers)
        if not person.external_id:
            raise ChannelRefused("no id in the organisation", code="invalid")
        return await caller.call((person.external_id,), delivery.body, key=delivery.key)

    async def _wake(self, delivery: Delivery, browsers: list[Browser]) -> SendResult:
        if self._pusher is None or delivery.target != "push":
            raise ChannelRefused("no such way", code="no_way")
        taken = 0
        problem: ChannelError = ChannelRefused("no browser is signed up", code="no_browser")
        for browser in browsers:
            try:
                await self._pusher.push(
                    browser.address, browser.keys, delivery.body, topic=f"case:{delivery.case_id}"
                )
                taken += 1
            except ChannelError as error:
                problem = error
                await self._note(browser, error)
        if not taken:
            raise problem
        return SendResult(f"push:{taken}")

    async def _note(self, browser: Browser, error: ChannelError) -> None:
        now = self._services.clock.now()
        async with self._services.database.write() as session:
            await push.failed(session, browser.id, error, now=now)
