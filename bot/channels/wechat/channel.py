"""The WeChat service account as a `bot.core.ports.Channel`.

Three modes of the console: `plain` (nothing encrypted), `compat` (both forms in one body; the
encrypted one counts) and `safe` (encrypted only; a plaintext POST is refused). Built by wiring,
called by the callback route and by delivery.

Source: developers.weixin.qq.com, guides "receiving standard messages", "receiving event pushes",
"passive reply", "message encryption and decryption".
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from bot.channels import xml
from bot.channels.envelope import Envelope, check_signature
from bot.channels.wechat.client import WechatClient
from bot.core.clock import Clock
from bot.core.errors import CallbackMalformed, CallbackRejected, ChannelRefused, ConfigInvalid
from bot.core.messages import IncomingMessage, Kind, Reply, ReplyTo
from bot.core.ports import CallbackAnswer, CallbackRequest, SendResult

ACKNOWLEDGEMENT = CallbackAnswer(200, "success")
MAX_ID, MAX_SCENE, MAX_ECHO = 200, 128, 512
QR_PREFIX = "qrscene_"
KEY_INDEX = "aes_key_index"
SILENT = frozenset({Kind.UNFOLLOW, Kind.RECEIPT})

MESSAGE_KINDS = {
    "text": Kind.TEXT,
    "voice": Kind.VOICE,
    "image": Kind.IMAGE,
    "video": Kind.VIDEO,
    "shortvideo": Kind.VIDEO,
    "location": Kind.LOCATION,
    "link": Kind.LINK,
    "file": Kind.FILE,
}
# Every other event (VIEW, LOCATION, receipts, what comes next year) is the platform's own report:
# nobody wrote it, it opens no window, and words in answer to it would startle.
EVENT_KINDS = {
    "subscribe": Kind.FOLLOW,
    "unsubscribe": Kind.UNFOLLOW,
    "scan": Kind.SCAN,
    "click": Kind.MENU,
}
ENVELOPE = frozenset({"ToUserName", "FromUserName", "CreateTime", "MsgType", "MsgId"})
# What a handler may need beside the words; never words themselves.
RECEIPT_FIELDS = {
    "MsgID": "receipt",
    "Status": "status",
    "SubscribeMsgSentEvent.List.MsgID": "receipt",
    "SubscribeMsgSentEvent.List.ErrorStatus": "status",
    "SubscribeMsgPopupEvent.List.TemplateId": "template",
    "SubscribeMsgPopupEvent.List.SubscribeStatusString": "status",
    "SubscribeMsgChangeEvent.List.TemplateId": "template",
    "SubscribeMsgChangeEvent.List.SubscribeStatusString": "status",
}


class WechatChannel:
    """One service account.

    Args:
        account: the configured name, in lower case.
        app_id: the AES receive id.
        token: signs callbacks.
        encoding_aes_key: 43 characters; may be empty in plain mode.
        mode: `plain`, `compat` or `safe`.
        client: talks to the platform's API.
        freshness_seconds: how far a callback's time may be from ours before it counts as stale.
    """

    name = "wechat"
    passive_seconds = 4.5
    answers_inside = True

    def __init__(
        self,
        account: str,
        *,
        app_id: str,
        token: str,
        encoding_aes_key: str,
        mode: str,
        client: WechatClient,
        clock: Clock,
        freshness_seconds: int = 600,
        previous_encoding_aes_key: str = "",
    ) -> None:
        if not token:
            raise ConfigInvalid(f"wechat account {account}: the token must not be empty")
        if mode not in ("plain", "compat", "safe"):
            raise ConfigInvalid(f"wechat account {account}: unknown mode")
        self.account = account
        self._token = token
        self._mode = mode
        self.client = client
        self._clock = clock
        self._freshness = freshness_seconds
        self._envelope: Envelope | None = None
        if encoding_aes_key or mode != "plain":
            self._envelope = Envelope(
                token, encoding_aes_key, app_id, previous_aes_key=previous_encoding_aes_key
            )

    def verify(self, request: CallbackRequest) -> CallbackAnswer:
        """Return `echostr` when the address check is signed with our token."""
        self._check_plain_signature(request)
        echo = _one(request, "echostr")
        if len(echo) > MAX_ECHO:
            raise CallbackRejected("echostr is too long")
        return CallbackAnswer(200, echo)

    def parse(self, request: CallbackRequest) -> IncomingMessage:
        """Check the signature, decrypt where needed, and turn the message into ours."""
        encrypted = self._is_encrypted(request)
        if encrypted:
            text, key_index = self._open(request)
        else:
            if self._mode == "safe":
                raise CallbackRejected("plaintext in safe mode")
            self._check_plain_signature(request)
            text, key_index = xml.decode(request.body), 0
        message = self._translate(xml.parse_fields(text), self._is_stale(request))
        if key_index:
            message.extra[KEY_INDEX] = str(key_index)
        # A plaintext message's signature covers the time only, not the body.
        return message if encrypted else replace(message, vouched=False)

    def passive(
        self, request: CallbackRequest, message: IncomingMessage, reply: Reply | None
    ) -> CallbackAnswer:
        """Return the reply as XML, encrypted when the callback was, or `success`."""
        if reply is None or message.kind in SILENT or not message.recipient:
            return ACKNOWLEDGEMENT
        now = int(self._clock.now().timestamp())
        answer = xml.text_reply(
            to=message.sender, sender=message.recipient, created=now, text=reply.text
        )
        if self._envelope is not None and self._is_encrypted(request):
            sealed = self._envelope.seal(
                answer,
                timestamp=str(now),
                nonce=secrets.token_hex(8),
                key_index=int(message.extra.get(KEY_INDEX, "0")),
            )
            answer = xml.encrypted_reply(
                encrypt=sealed.encrypt,
                signature=sealed.signature,
                timestamp=sealed.timestamp,
                nonce=sealed.nonce,
            )
        return CallbackAnswer(200, answer, "application/xml; charset=utf-8")

    async def send(self, to: ReplyTo, text: str, *, key: str) -> SendResult:
        """Send words as a customer-service message; the API takes no idempotency key.

        Raises:
            ChannelRefused: also for a group (code `no_groups`): nobody can sit in one.
        """
        if to.group is not None:
            raise ChannelRefused("custom/send: WeChat has no groups for us", code="no_groups")
        return await self.client.send_custom(to.person, text)

    async def typing(self, person: str) -> None:
        """Show a person that somebody is writing to them.

        Raises:
            ChannelError: more than 30 seconds after their words (45080), or shown already (45081).
        """
        await self.client.call(
            "/cgi-bin/message/custom/typing", {"touser": person, "command": "Typing"}
        )

    async def close(self) -> None:
        """Close the client's connections."""
        await self.client.close()

    def _is_encrypted(self, request: CallbackRequest) -> bool:
        kinds = request.query.get("encrypt_type", ["raw"])
        if len(kinds) != 1:
            raise CallbackRejected("encrypt_type comes twice")
        return kinds[0] == "aes" or "msg_signature" in request.query

    def _check_plain_signature(self, request: CallbackRequest) -> None:
        timestamp, nonce = _one(request, "timestamp"), _one(request, "nonce")
        check_signature(_one(request, "signature"), self._token, timestamp, nonce)

    def _open(self, request: CallbackRequest) -> tuple[str, int]:
        if self._envelope is None:
            raise CallbackRejected("no key is set for an encrypted message")
        signature, timestamp = _one(request, "msg_signature"), _one(request, "timestamp")
        nonce = _one(request, "nonce")
        if "signature" in request.query:
            self._check_plain_signature(request)
        try:
            encrypt = xml.parse_fields(xml.decode(request.body)).get("Encrypt", "")
        except CallbackMalformed:
            # Nothing outside the envelope is signed: to a stranger every failure looks the same.
            raise CallbackRejected("the envelope can't be opened") from None
        opened = self._envelope.open(
            encrypt.strip(), signature=signature, timestamp=timestamp, nonce=nonce
        )
        return opened.text, opened.key_index

    def _is_stale(self, request: CallbackRequest) -> bool:
        try:
            moment = float(_one(request, "timestamp"))
        except ValueError:
            return True
        return not abs(self._clock.now().timestamp() - moment) <= self._freshness

    def _translate(self, fields: Mapping[str, str], stale: bool) -> IncomingMessage:
        xml.require(fields, "FromUserName", "ToUserName", "CreateTime", "MsgType")
        is_event = fields["MsgType"].lower() == "event"
        xml.require(fields, "Event" if is_event else "MsgId")
        kind = _kind(fields, is_event)
        if kind is Kind.TEXT and "Content" not in fields:
            raise CallbackMalformed("field Content is missing")
        return IncomingMessage(
            channel=self.name,
            account=self.account,
            platform_id=_platform_id(fields, is_event),
            sender=_short(fields, "FromUserName"),
            kind=kind,
            sent_at=_sent_at(fields["CreateTime"]),
            text=_words(fields, kind),
            media_id=fields.get("MediaId", ""),
            scene=_scene(fields) if is_event else "",
            recipient=_short(fields, "ToUserName"),
            stale=stale,
            extra=_extra(fields, kind, is_event),
        )


def _one(request: CallbackRequest, name: str) -> str:
    values = request.query.get(name, [])
    if len(values) != 1 or not values[0]:
        raise CallbackRejected(f"query parameter {name} is missing or comes twice")
    return values[0]


def _kind(fields: Mapping[str, str], is_event: bool) -> Kind:
    if is_event:
        return EVENT_KINDS.get(fields["Event"].lower(), Kind.RECEIPT)
    return MESSAGE_KINDS.get(fields["MsgType"].lower(), Kind.OTHER)


def _platform_id(fields: Mapping[str, str], is_event: bool) -> str:
    """Return the platform's key; a long one (a menu's address) is replaced by its digest."""
    if not is_event:
        key = fields["MsgId"]
    else:
        parts = [fields["FromUserName"], fields["CreateTime"], fields["Event"]]
        key = "+".join([*parts, fields["EventKey"]] if fields.get("EventKey") else parts)
    return key if len(key) <= MAX_ID else hashlib.sha256(key.encode()).hexdigest()


def _short(fields: Mapping[str, str], name: str) -> str:
    if len(fields[name]) > MAX_ID:
        raise CallbackMalformed(f"field {name} is too long")
    return fields[name]


def _sent_at(created: str) -> datetime:
    try:
        return datetime.fromtimestamp(int(created), UTC)
    except (ValueError, OverflowError, OSError):
        raise CallbackMalformed("field CreateTime is not a time") from None


def _words(fields: Mapping[str, str], kind: Kind) -> str:
    """Return everything a person may have written, so that all of it is screened."""
    if kind is Kind.OTHER:
        # A kind that is new may keep its words in any field; what is ASCII there is an id.
        found = (
            value
            for name, value in fields.items()
            if name == "Content" or (name not in ENVELOPE and not value.isascii())
        )
        return "\n".join(value for value in found if value)
    names = {
        Kind.VOICE: ("Recognition",),
        Kind.LINK: ("Title", "Description"),
        Kind.FILE: ("Title", "Description"),
        Kind.LOCATION: ("Label",),
    }.get(kind, ("Content",))
    words = "\n".join(fields[name] for name in names if fields.get(name))
    if kind is Kind.LOCATION and (spot := _spot(fields)):
        # With the words, so that the desk shows where somebody is.
        return f"{words} ({spot['latitude']}, {spot['longitude']})".strip()
    return words


def _spot(fields: Mapping[str, str]) -> dict[str, str]:
    """Return a pin's degrees as the platform wrote them; empty when they are no place on earth."""
    latitude, longitude = fields.get("Location_X", ""), fields.get("Location_Y", "")
    try:
        valid = abs(float(latitude)) <= 90 and abs(float(longitude)) <= 180
    except ValueError:
        valid = False
    return {"latitude": latitude.strip(), "longitude": longitude.strip()} if valid else {}


def _scene(fields: Mapping[str, str]) -> str:
    return fields.get("EventKey", "").removeprefix(QR_PREFIX)[:MAX_SCENE]


def _extra(fields: Mapping[str, str], kind: Kind, is_event: bool) -> dict[str, str]:
    extra = {"event": fields["Event"].lower()} if is_event else {}
    if kind is Kind.RECEIPT:
        extra |= {name: fields[path] for path, name in RECEIPT_FIELDS.items() if path in fields}
    return extra | _spot(fields) if kind is Kind.LOCATION else extra
