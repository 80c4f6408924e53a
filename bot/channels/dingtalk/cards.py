"""Interactive cards: words with a button, and what comes back when it is used.

`outTrackId` is ours and unique, so a card sent twice is one card. Called by `CardAlerts` and, for
clicks, by `bot.channels.cards`. `update_card`, and a card to one person, are for the notices of
teachers, which are not built yet.

Source: open.dingtalk.com, `create-and-deliver-cards`, `register-card-callback-address`,
`event-callback-card`.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.channels.dingtalk.client import DingtalkClient
from bot.channels.dingtalk.parse import load_object
from bot.core.clock import epoch_ms
from bot.core.errors import (
    UNKNOWN,
    CallbackMalformed,
    CallbackRejected,
    ChannelRefused,
    ChannelUnavailable,
)
from bot.core.ports import SendResult

INSTANCES = "/v1.0/card/instances"
REGISTER = "/v1.0/card/callbacks/register"
MAX_STAMP = 15


@dataclass(frozen=True, slots=True)
class Click:
    """Somebody used a card. Whether the card is known is for the service to say.

    Args:
        card: our `outTrackId`.
        person: staff id.
        action: the value of the button's `action` parameter.
    """

    card: str
    person: str
    action: str


def sign_card(secret: str, timestamp: str) -> str:
    """Return the header signature of a card callback over HTTP; it does not cover the body."""
    signed = timestamp.encode("utf-8", "replace")
    digest = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def check_card(
    headers: Mapping[str, str], secret: str, *, now: datetime, freshness_seconds: int
) -> None:
    """Check a card callback over HTTP: signature in constant time, then its age either way.

    A late message is kept for the words in it; a late click holds nothing to keep.

    Raises:
        CallbackRejected: wrong signature, no secret is set, no time, or outside the window.
    """
    stamp = headers.get("x-ddpaas-signature-timestamp", "")
    signature = headers.get("x-ddpaas-signature", "").encode("utf-8", "replace")
    expected = sign_card(secret, stamp[:MAX_STAMP]).encode()
    if not secret or not stamp or not hmac.compare_digest(expected, signature):
        raise CallbackRejected("wrong signature")
    if not stamp.isascii() or not stamp.isdecimal() or len(stamp) > MAX_STAMP:
        raise CallbackRejected("the timestamp is not a time")
    if abs(epoch_ms(now) - int(stamp)) > freshness_seconds * 1000:
        raise CallbackRejected("outside the window")


def read_click(data: Mapping[str, Any]) -> Click:
    """Read a click from a callback's data; `content` is JSON inside JSON.

    Raises:
        CallbackMalformed: no card, no person, or a broken content.
    """
    card, person, content = data.get("outTrackId"), data.get("userId"), data.get("content")
    if not isinstance(card, str) or not card or not isinstance(person, str) or not person:
        raise CallbackMalformed("a click without card or person")
    inner = load_object(content).get("cardPrivateData") if isinstance(content, str) else None
    parameters = inner.get("params") if isinstance(inner, Mapping) else None
    action = parameters.get("action") if isinstance(parameters, Mapping) else None
    return Click(card[:200], person[:128], action[:64] if isinstance(action, str) else "")


def click_answer(card: Mapping[str, str], person: Mapping[str, str]) -> dict[str, Any]:
    """Return the answer that changes a card for all and for the person who used it."""
    return {
        "cardUpdateOptions": {"updateCardDataByKey": True, "updatePrivateDataByKey": True},
        "cardData": {"cardParamMap": dict(card)},
        "userPrivateData": {"cardParamMap": dict(person)},
    }


async def send_card(
    client: DingtalkClient,
    *,
    template: str,
    card: str,
    values: Mapping[str, str],
    group: str = "",
    person: str = "",
    callback: str = "STREAM",
    route_key: str = "",
) -> SendResult:
    """Create a card and deliver it to a group or, without one, to a person.

    Args:
        template: id of the card's template in the console.
        card: our `outTrackId`.
        values: all strings, at most 1 KiB each.
        route_key: the registered address for clicks, when `callback` is `HTTP`.

    Raises:
        ChannelUnavailable, ChannelRateLimited, ChannelRefused
    """
    payload: dict[str, Any] = {
        "cardTemplateId": template,
        "outTrackId": card,
        "callbackType": callback,
        "cardData": {"cardParamMap": dict(values)},
        "userIdType": 1,
    }
    if route_key:
        payload["callbackRouteKey"] = route_key
    if group:
        payload |= {
            "openSpaceId": f"dtv1.card//IM_GROUP.{group}",
            "imGroupOpenSpaceModel": {"supportForward": False},
            "imGroupOpenDeliverModel": {"robotCode": client.robot_code},
        }
    else:
        payload |= {
            "openSpaceId": f"dtv1.card//IM_ROBOT.{person}",
            "imRobotOpenSpaceModel": {"supportForward": False},
            "imRobotOpenDeliverModel": {"spaceType": "IM_ROBOT"},
        }
    answer = await client.call("POST", f"{INSTANCES}/createAndDeliver", payload)
    return SendResult(_carrier(answer))


async def register(client: DingtalkClient, key: str, *, url: str, secret: str) -> None:
    """Tell the platform where clicks are posted; the same again changes nothing.

    Raises:
        ChannelUnavailable, ChannelRateLimited, ChannelRefused
    """
    await client.call(
        "POST",
        REGISTER,
        {"callbackRouteKey": key, "callbackUrl": url, "apiSecret": secret, "forceUpdate": True},
    )


async def update_card(client: DingtalkClient, card: str, values: Mapping[str, str]) -> None:
    """Change some values of a card for everybody who sees it."""
    await client.call(
        "PUT",
        INSTANCES,
        {
            "outTrackId": card,
            "cardData": {"cardParamMap": dict(values)},
            "cardUpdateOptions": {"updateCardDataByKey": True},
        },
    )


def _carrier(answer: Mapping[str, Any]) -> str:
    """Return the proof of delivery; a success of the call says nothing about each place."""
    result = answer.get("result")
    places = result.get("deliverResults") if isinstance(result, Mapping) else None
    if answer.get("success") is not True or not isinstance(places, list) or not places:
        raise ChannelUnavailable("createAndDeliver: the answer has no result", code=UNKNOWN)
    for place in places:
        if not isinstance(place, Mapping) or place.get("success") is not True:
            raise ChannelRefused("createAndDeliver: not delivered", code="card_not_delivered")
    return str(places[0].get("carrierId") or "")
