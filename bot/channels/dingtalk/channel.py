"""A DingTalk enterprise robot as a `bot.core.ports.Channel`.

Two ways in: robot messages over HTTP (signed in a header that does not cover the body, so nothing
privileged may follow from them) or over Stream (`bot.channels.dingtalk.stream`); and the event
subscription, encrypted, on the same address. Nothing is said in a callback's answer: DingTalk
documents none, so `answers_inside` is False and every reply goes out through the API.
Built by wiring, called by the callback route and by delivery.

Source: open.dingtalk.com, `robot-message-type`, `configure-event-subcription`,
`customize-robot-security-settings`.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import structlog

from bot.channels.dingtalk import parse
from bot.channels.dingtalk.client import FLOW_WAIT, DingtalkClient
from bot.channels.envelope import Envelope, Opened
from bot.channels.words import fit
from bot.core.clock import Clock, epoch_ms
from bot.core.errors import CallbackMalformed, CallbackRejected, ChannelRefused, ConfigInvalid
from bot.core.messages import IncomingMessage, Reply, ReplyTo
from bot.core.ports import SLOWED, CallbackAnswer, CallbackRequest, ReadState, SendResult, SentMany

log = structlog.get_logger(__name__)

ACKNOWLEDGEMENT = CallbackAnswer(200, "{}", "application/json; charset=utf-8")
EVENT_DONE = "success"
KEY_INDEX = "aes_key_index"
# How a person outside the organisation is named; the robot can't write to them 1:1.
FOREIGN = "$:"
MAX_STAMP = 15


def sign_robot(secret: str, timestamp: str) -> str:
    """Return the signature of robot callbacks, and of calls to a custom robot.

    Base64 of HMAC-SHA256 over time and secret.

    Args:
        timestamp: milliseconds since 1970.
    """
    message = f"{timestamp}\n{secret}".encode()
    return base64.b64encode(hmac.new(secret.encode(), message, hashlib.sha256).digest()).decode()


class DingtalkChannel:
    """One robot.

    Args:
        robot: the configured name, in lower case.
        app_key: the app's key (clientId); the receive id of encrypted events.
        app_secret: signs robot callbacks.
        token, aes_key: of the event subscription; both empty: events are refused.
        freshness_seconds: how far a callback's time may be from ours before it counts as stale.
            Narrower than the hour DingTalk allows, because the signature does not cover the body.
        robot_over_http: take robot messages as callbacks; False where they come over Stream.
        robot_names: what the robot is called, to take "@name" off the words.
    """

    name = "dingtalk"
    passive_seconds = 2.5
    answers_inside = False

    def __init__(
        self,
        robot: str,
        *,
        app_key: str,
        app_secret: str,
        client: DingtalkClient,
        clock: Clock,
        token: str = "",
        aes_key: str = "",
        previous_aes_key: str = "",
        freshness_seconds: int = 300,
        robot_over_http: bool = True,
        robot_names: Sequence[str] = (),
    ) -> None:
        if not app_secret.strip():
            raise ConfigInvalid(f"dingtalk robot {robot}: the app secret must not be empty")
        self.account = robot
        self._secret = app_secret
        self.client = client
        self._clock = clock
        self._freshness = freshness_seconds
        self._robot_over_http = robot_over_http
        self._robot_names = tuple(robot_names)
        self._envelope: Envelope | None = None
        if token or aes_key:
            self._envelope = Envelope(token, aes_key, app_key, previous_aes_key=previous_aes_key)

    def verify(self, request: CallbackRequest) -> CallbackAnswer:
        """Answer a signed GET; DingTalk checks an address by an encrypted event instead."""
        self._check_header(request)
        return ACKNOWLEDGEMENT

    def parse(self, request: CallbackRequest) -> IncomingMessage:
        """Check the signature and turn a robot message or an event into ours."""
        if _is_event(request):
            return self._parse_event(request)
        stamp = self._check_header(request)
        if not self._robot_over_http:
            # Its console sends them over Stream, so this one is not the platform's.
            raise CallbackRejected("robot messages come over Stream")
        message = parse.parse_message(
            parse.load_object(request.body),
            account=self.account,
            now=self._clock.now(),
            stale=self._is_stale(stamp),
            robot_names=self._robot_names,
        )
        # The signature covers the time only, not the body.
        return replace(message, vouched=False)

    def passive(
        self, request: CallbackRequest, message: IncomingMessage, reply: Reply | None
    ) -> CallbackAnswer:
        """Return the acknowledgement; for an event the encrypted word it asks for.

        Words never leave this way: the route must not offer this channel's callbacks a reply.
        """
        if self._envelope is None or not _is_event(request):
            return ACKNOWLEDGEMENT
        sealed = self._envelope.seal(
            EVENT_DONE,
            timestamp=str(epoch_ms(self._clock.now())),
            nonce=secrets.token_hex(8),
            key_index=int(message.extra.get(KEY_INDEX, "0")),
        )
        body = {
            "msg_signature": sealed.signature,
            "timeStamp": sealed.timestamp,
            "nonce": sealed.nonce,
            "encrypt": sealed.encrypt,
        }
        return CallbackAnswer(200, json.dumps(body), ACKNOWLEDGEMENT.media_type)

    async def send(self, to: ReplyTo, text: str, *, key: str) -> SendResult:
        """Answer where a message came from: its own address while that is good, else the API.

        In a group the asker is mentioned, where the platform can do that. Neither way takes an
        idempotency key.

        Raises:
            ChannelRefused: also for a person outside the organisation (code `outside`).
        """
        if to.address and to.until is not None:
            try:
                return await self._answer(to, text, epoch_ms(to.until))
            except ChannelRefused:
                # Expired, foreign, or withdrawn by the platform: the API needs no address.
                log.info("return_address_refused", robot=self.account)
        if to.group is not None:
            return await self.client.send_group(to.group, "sampleText", {"content": fit(text)})
        if to.person.startswith(FOREIGN):
            raise ChannelRefused("batchSend: not of this organisation", code="outside")
        return await self.client.send_person(to.person, text)

    async def read_state(self, person: str, receipt: str) -> ReadState | None:
        """Ask whether a person has read what was sent to them 1:1 with this receipt."""
        return await self.client.read_state(person, receipt)

    def takes(self, person: str) -> bool:
        """Say whether a person belongs to the organisation, so that the robot may write first."""
        return not person.startswith(FOREIGN)

    async def send_many(self, people: Sequence[str], text: str) -> SentMany:
        """Send the same words to at most 20 people in one call, which is what counts by the month.

        Raises:
            ChannelUnavailable, ChannelRateLimited, ChannelRefused
        """
        (sent,) = await self.client.send_people(people, "sampleText", {"content": fit(text)})
        if sent.error is not None:
            raise sent.error
        missed = (
            dict.fromkeys(sent.invalid, "invalid")
            | dict.fromkeys(sent.filtered, "filtered")
            | dict.fromkeys(sent.slowed, SLOWED)
        )
        return SentMany(sent.receipt, missed, FLOW_WAIT)

    async def _answer(self, to: ReplyTo, text: str, until: int) -> SendResult:
        mention = to.person if to.group and not to.person.startswith(FOREIGN) else ""
        return await self.client.answer_session(to.address, text, expires_ms=until, mention=mention)

    async def close(self) -> None:
        """Close the client's connections."""
        await self.client.close()

    def _check_header(self, request: CallbackRequest) -> int:
        """Return the signed time in milliseconds."""
        stamp, signature = request.headers.get("timestamp", ""), request.headers.get("sign", "")
        expected = sign_robot(self._secret, stamp[:MAX_STAMP]).encode()
        if not hmac.compare_digest(expected, signature.encode("utf-8", "replace")):
            raise CallbackRejected("wrong signature")
        if not stamp.isascii() or not stamp.isdecimal() or len(stamp) > MAX_STAMP:
            raise CallbackRejected("the timestamp is not a time")
        return int(stamp)

    def _is_stale(self, stamp: int) -> bool:
        return abs(epoch_ms(self._clock.now()) - stamp) > self._freshness * 1000

    def _parse_event(self, request: CallbackRequest) -> IncomingMessage:
        if self._envelope is None:
            raise CallbackRejected("no key is set for events")
        try:
            encrypt = parse.load_object(request.body).get("encrypt")
        except CallbackMalformed:
            encrypt = None
        if not isinstance(encrypt, str) or not encrypt:
            # Nothing outside the envelope is signed: to a stranger every failure looks the same.
            raise CallbackRejected("the envelope can't be opened")
        name = "msg_signature" if "msg_signature" in request.query else "signature"
        opened: Opened = self._envelope.open(
            encrypt,
            signature=_one(request, name),
            timestamp=_one(request, "timestamp"),
            nonce=_one(request, "nonce"),
        )
        data = parse.load_object(opened.text)
        message = parse.parse_event(
            data,
            account=self.account,
            now=self._clock.now(),
            event=_word(data, "EventType") or _word(data, "eventType") or "unknown",
            event_id=_word(data, "eventId") or _event_digest(encrypt),
        )
        if opened.key_index:
            message.extra[KEY_INDEX] = str(opened.key_index)
        return message


def _is_event(request: CallbackRequest) -> bool:
    return "signature" in request.query or "msg_signature" in request.query


def _event_digest(encrypt: str) -> str:
    """Name an event without an id by its envelope, which a plain redelivery repeats."""
    return "event:" + hashlib.sha256(encrypt.encode("utf-8", "replace")).hexdigest()


def _one(request: CallbackRequest, name: str) -> str:
    values = request.query.get(name, [])
    if len(values) != 1 or not values[0]:
        raise CallbackRejected(f"query parameter {name} is missing or comes twice")
    return values[0]


def _word(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""
