"""Clicks on interactive cards: over Stream, or posted to `/callbacks/dingtalk/<robot>/card`.

A click answers with one sentence that says where to go on, for a card of ours; for any other with
nothing. It changes nothing here: over HTTP the signature does not cover the body, so who clicked
what is not certain, and accepting a case needs a login. Built by wiring.

Source: open.dingtalk.com, `event-callback-card`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bot.channels.dingtalk import parse
from bot.channels.dingtalk.cards import check_card, click_answer, read_click
from bot.core.errors import CallbackMalformed, CallbackRejected
from bot.db.failures import kind_of
from bot.db.models import Delivery
from bot.db.models.delivery import ALERT
from bot.services import figures
from bot.services.container import Services

log = structlog.get_logger(__name__)

MAX_BODY = 64 * 1024
OURS = re.compile(r"[\w:.!-]{1,120}", re.ASCII)
CHANNEL = "dingtalk"


class Cards:
    """Answers clicks.

    Args:
        secrets: of the robots whose clicks may be posted here; empty: they are refused.
        freshness: by robot, how many seconds a posted click's time may be from ours.
        targets: by robot, the alert channels whose cards it put into groups.
        heard: told channel and robot of every click, which counts as an incoming message.
    """

    def __init__(
        self,
        services: Services,
        *,
        secrets: Mapping[str, str],
        freshness: Mapping[str, int],
        targets: Mapping[str, frozenset[str]],
        heard: Callable[[str, str], object],
    ) -> None:
        self._services = services
        self._secrets = dict(secrets)
        self._freshness = dict(freshness)
        self._targets = dict(targets)
        self._heard = heard

    def routes(self) -> list[Route]:
        """Return the route; it stands before the one of all callbacks."""
        path = f"/callbacks/{CHANNEL}/{{robot}}/card"
        return [Route(path, self.receive, methods=["POST"], name="cards")]

    async def click(self, robot: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the answer to one click: nothing for a card that is not ours.

        That is acknowledged too: sent again it would be as unknown, and the log names its id.

        Raises:
            CallbackMalformed: it is no click.
            SQLAlchemyError, OSError: the database could not be asked whether the card is ours.
        """
        self._heard(CHANNEL, robot)
        click = read_click(data)
        shown = click.card if OURS.fullmatch(click.card) else "foreign"
        if not await self._is_ours(robot, click.card):
            log.warning("card_unknown", robot=robot, card=shown)
            return {}
        log.info("card_used", robot=robot, card=shown)
        policy = self._services.policy
        words = policy.phrases.get("alert.card_used").format(url=policy.desk_url)
        return click_answer({"state": words}, {})

    async def receive(self, request: Request) -> Response:
        """Answer one posted click; never raises for what came from outside."""
        robot = request.path_params["robot"].lower()
        secret = self._secrets.get(robot)
        if secret is None:
            return PlainTextResponse("", status_code=404)
        try:
            check_card(
                request.headers,
                secret,
                now=self._services.clock.now(),
                freshness_seconds=self._freshness[robot],
            )
            answer = await self.click(robot, parse.load_object(await _body(request)))
        except (CallbackRejected, CallbackMalformed) as error:
            figures.REFUSED.labels(str(error.status)).inc()
            log.warning("card_refused", robot=robot, status=error.status, reason=str(error))
            return PlainTextResponse("", status_code=error.status)
        except Exception as error:
            # Most likely the database; the person may click again.
            log.error("card_failed", robot=robot, error=kind_of(error))
            return PlainTextResponse("", status_code=503)
        return JSONResponse(dict(answer))

    async def _is_ours(self, robot: str, card: str) -> bool:
        targets = self._targets.get(robot, frozenset())
        if not targets or not OURS.fullmatch(card):
            return False
        async with self._services.database.read() as session:
            found = await session.scalar(
                select(Delivery.id).where(
                    Delivery.key == card, Delivery.route == ALERT, Delivery.target.in_(targets)
                )
            )
        return found is not None


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise CallbackMalformed("body is over the limit")
    return bytes(body)
