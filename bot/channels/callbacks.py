"""The one callback route of all channels: read, verify, store and screen, route, answer.

`GET /callbacks/<channel>/<account>` answers the platform's address check, `POST` takes messages.
Whatever goes wrong after storing, the platform gets an acknowledgement and the message stays in
the inbox for the sweep.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.channels.handover import Handover
from bot.core.errors import CallbackMalformed, CallbackRejected, CallbackTooLarge
from bot.core.messages import IncomingMessage, Receipt
from bot.core.ports import CallbackAnswer, CallbackRequest, Channel
from bot.pipeline.inbox import Inbox
from bot.pipeline.router import Routed, Router
from bot.pipeline.slot import PassiveSlot, wait
from bot.services import alarms, figures
from bot.services.container import Services

log = structlog.get_logger(__name__)

MAX_BODY = 1024 * 1024
# Who floods the route with large or unreadable bodies is refused each time, but writes one alarm
# row a minute.
ALARM_PAUSE = timedelta(minutes=1)


class Callbacks:
    """Receive callbacks for every configured account."""

    def __init__(
        self,
        services: Services,
        inbox: Inbox,
        router: Router,
        channels: Mapping[tuple[str, str], Channel],
        handover: Handover,
    ) -> None:
        self._services = services
        self._inbox = inbox
        self._router = router
        self._channels = channels
        self._handover = handover
        self._running: dict[int, asyncio.Task[Routed]] = {}
        self._alarmed: dict[tuple[str, ...], datetime] = {}

    def routes(self) -> list[Route]:
        """Return the routes of all channels."""
        path = "/callbacks/{channel}/{account}"
        return [Route(path, self.receive, methods=["GET", "POST"], name="callbacks")]

    async def receive(self, request: Request) -> Response:
        """Answer one callback; never raises, never answers 500 for what came from outside."""
        account = (request.path_params["channel"], request.path_params["account"].lower())
        channel = self._channels.get(account)
        if channel is None:
            return PlainTextResponse("", status_code=404)
        try:
            callback = await self._read(request)
            if request.method == "GET":
                return _response(channel.verify(callback))
            incoming = channel.parse(callback)
        except CallbackTooLarge:
            figures.REFUSED.labels("413").inc()
            await self._alarm("callback_too_large", account)
            return PlainTextResponse("", status_code=413)
        except (CallbackRejected, CallbackMalformed) as error:
            figures.REFUSED.labels(str(error.status)).inc()
            log.warning(
                "callback_refused",
                channel=account[0],
                account=account[1],
                status=error.status,
                reason=str(error),
            )
            if isinstance(error, CallbackMalformed):
                # Authentic, so the platform has a message that nobody here has seen.
                await self._alarm("callback_unreadable", account)
            return PlainTextResponse("", status_code=error.status)
        return await self._handle(channel, callback, incoming)

    async def _read(self, request: Request) -> CallbackRequest:
        declared = request.headers.get("content-length", "0")
        if declared.isdigit() and int(declared) > MAX_BODY:
            raise CallbackTooLarge("declared length is over the limit")
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                raise CallbackTooLarge("body is over the limit")
        query: dict[str, list[str]] = {}
        for name, value in request.query_params.multi_items():
            query.setdefault(name, []).append(value)
        return CallbackRequest(query, dict(request.headers), bytes(body))

    async def _alarm(self, kind: str, account: tuple[str, str]) -> None:
        now = self._services.clock.now()
        last = self._alarmed.get((kind, *account), datetime.min.replace(tzinfo=UTC))
        if now - last < ALARM_PAUSE:
            return
        self._alarmed[kind, *account] = now
        services = self._services
        try:
            async with services.database.write() as session:
                await alarms.raise_alarm(
                    session, kind, now=now, subject="/".join(account), policy=services.policy
                )
        except Exception as error:
            # The refusal counts; with the database down the log has to do.
            log.error("alarm_failed", alarm=kind, error=type(error).__name__)

    async def _handle(
        self, channel: Channel, callback: CallbackRequest, incoming: IncomingMessage
    ) -> Response:
        try:
            receipt = await self._inbox.accept(incoming)
        except Exception as error:
            # Not stored: no acknowledgement, so that the platform sends it again.
            log.error("accept_failed", error=type(error).__name__)
            return PlainTextResponse("", status_code=503)
        try:
            routed = await self._answer(channel, receipt)
        except Exception:
            # Logged where the work ended; the message is stored, so it is acknowledged.
            routed = None
        reply = routed.passive if routed else None
        response = _response(channel.passive(callback, incoming, reply))
        if routed and routed.passive and routed.delivery_id is not None:
            response.background = self._handover.after_answer(routed.delivery_id)
        return response

    async def _answer(self, channel: Channel, receipt: Receipt) -> Routed | None:
        if not receipt.answerable:
            return None
        running = self._running.get(receipt.message_id)
        if running is not None:
            # The platform's retry while the first try is still being worked on.
            done, _ = await asyncio.wait({running}, timeout=channel.passive_seconds)
            return running.result() if done else None
        slot = PassiveSlot()
        task = asyncio.create_task(self._router.route(receipt.message_id, receipt.contact_id, slot))
        self._running[receipt.message_id] = task
        task.add_done_callback(partial(self._finished, receipt.message_id))
        return await wait(task, slot, channel.passive_seconds)

    def _finished(self, message_id: int, task: asyncio.Task[Routed]) -> None:
        self._running.pop(message_id, None)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            # Whoever waited may have left by now; the sweep routes the message again.
            log.error("route_failed", message=message_id, error=type(error).__name__)


def _response(answer: CallbackAnswer) -> Response:
    return Response(answer.body, status_code=answer.status, media_type=answer.media_type)
