"""The one callback route of all channels: read, verify, store and screen, route, answer.

`GET /callbacks/<channel>/<account>` answers the platform's address check, `POST` takes messages.
Whatever goes wrong after storing, the platform gets an acknowledgement and the message stays in
the inbox for the sweep.
"""

from collections.abc import Mapping

import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.channels.handover import Handover
from bot.channels.reception import Reception
from bot.channels.trouble import Trouble
from bot.core.errors import CallbackMalformed, CallbackRejected, CallbackTooLarge
from bot.core.messages import IncomingMessage, Receipt
from bot.core.ports import CallbackAnswer, CallbackRequest, Channel
from bot.db.failures import kind_of
from bot.pipeline.router import Routed
from bot.services import figures

log = structlog.get_logger(__name__)

MAX_BODY = 1024 * 1024
# WeChat hangs up after 5 seconds: a database that stands still must not hold callbacks for longer.
STORE_SECONDS = 4.5


class Callbacks:
    """Receive callbacks for every configured account."""

    def __init__(
        self,
        reception: Reception,
        channels: Mapping[tuple[str, str], Channel],
        handover: Handover,
        trouble: Trouble,
    ) -> None:
        self._reception = reception
        self._channels = channels
        self._handover = handover
        self._trouble = trouble

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
            await self._trouble.alarm("callback_too_large", account)
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
                await self._trouble.alarm("callback_unreadable", account)
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

    async def _handle(
        self, channel: Channel, callback: CallbackRequest, incoming: IncomingMessage
    ) -> Response:
        try:
            receipt = await self._reception.accept_within(incoming, STORE_SECONDS)
        except Exception as error:
            # Not stored: no acknowledgement, so that the platform sends it again.
            log.error("accept_failed", error=kind_of(error))
            self._trouble.owe("accept_failed", (channel.name, channel.account))
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
        if channel.answers_inside:
            return await self._reception.answer(receipt, channel.passive_seconds)
        self._reception.start(receipt)
        return None


def _response(answer: CallbackAnswer) -> Response:
    return Response(answer.body, status_code=answer.status, media_type=answer.media_type)
