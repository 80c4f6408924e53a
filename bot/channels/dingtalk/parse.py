"""Turn DingTalk's robot messages and events into ours; the same for HTTP callbacks and Stream.

Tolerant on purpose: what the platform sent is a person's message even when half of it is missing
or its kind is new, and every word that can be found is screened. Only what has no author or no
shape at all is refused. Called by `DingtalkChannel` and `StreamClient`.

Source: open.dingtalk.com, `robot-message-type`; DingTalk's notice on quotas (`errorCode` 20001).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bot.core.errors import CallbackMalformed
from bot.core.messages import IncomingMessage, Kind
from bot.core.privacy import clean

MAX_ID, MAX_SENDER, MAX_EXTRA, MAX_ADDRESS = 200, 128, 512, 2048
MAX_DEPTH = 32
QUOTA_CODE = "20001"
GROUP = "2"
# What stands for the sender of an event that nobody in particular caused.
PLATFORM = "platform"
UNNAMED_GROUP = "unnamed"

KINDS = {
    "text": Kind.TEXT,
    "richtext": Kind.TEXT,
    "picture": Kind.IMAGE,
    "audio": Kind.VOICE,
    "video": Kind.VIDEO,
    "file": Kind.FILE,
}
# Where words may stand in any kind of message, so that all of them are screened.
WORD_FIELDS = frozenset(
    {"content", "text", "title", "summary", "recognition", "fileName", "chatRecord"}
)
# What stands around the words in every kind: ids, times, and names that nothing here may keep.
ENVELOPE = frozenset(
    {
        *("msgId", "msgtype", "createAt", "robotCode", "sessionWebhook", "errorCode"),
        *("sessionWebhookExpiredTime", "errorMessage", "isAdmin", "isInAtList", "atUsers"),
        *("conversationId", "conversationType", "conversationTitle", "openThreadId"),
        *("chatbotCorpId", "chatbotUserId", "senderId", "senderStaffId", "senderUnionId"),
        *("senderNick", "senderCorpId", "senderPlatform", "robotName"),
    }
)
# Platform field → key of `extra`. Never a name, never words.
EXTRA_FIELDS = {
    "conversationId": "conversation",
    "senderCorpId": "corp",
    "robotCode": "robot",
    "msgtype": "type",
}
EVENT_FIELDS = {
    "processQueryKey": "receipt",
    "openConversationId": "conversation",
    "classId": "class",
    "role": "role",
    "fromUserid": "guardian",
    "toUserid": "child",
    "relationCode": "relation",
}


def load_object(raw: str | bytes) -> dict[str, Any]:
    """Read a JSON object; broken bytes inside it are replaced, the words around them kept.

    Raises:
        CallbackMalformed: not JSON, nested without end, or not an object.
    """
    text = _decode(raw) if isinstance(raw, bytes) else raw
    try:
        loaded = json.loads(text)
    except (ValueError, RecursionError):
        raise CallbackMalformed("the body is not JSON") from None
    if not isinstance(loaded, dict):
        raise CallbackMalformed("the body is not a JSON object")
    return loaded


def parse_message(
    data: Mapping[str, Any],
    *,
    account: str,
    now: datetime,
    stale: bool = False,
    robot_names: Sequence[str] = (),
) -> IncomingMessage:
    """Translate one robot message.

    Args:
        now: stands in for `createAt` where the platform left it out.
        stale: decided by whoever checked the transport.
        robot_names: what the robot is called, so that "@name" at the head of words goes. No other
            mention is cut: it could be the first word of a cry for help.

    Raises:
        CallbackMalformed: without sender or without `msgId`.
    """
    sender = _string(data, "senderStaffId") or _string(data, "senderId")
    exhausted = str(data.get("errorCode", "")) == QUOTA_CODE
    platform_id = _string(data, "msgId")
    if not platform_id and exhausted:
        platform_id = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
    if not sender or not platform_id:
        raise CallbackMalformed("a robot message has neither sender nor msgId")
    kind, words, media = (Kind.UNREADABLE, "", "") if exhausted else _content(data)
    address, until = _return_address(data)
    is_group = str(data.get("conversationType", "")) == GROUP
    return IncomingMessage(
        channel="dingtalk",
        account=account,
        platform_id=_bounded(platform_id, MAX_ID),
        sender=_bounded(sender, MAX_SENDER),
        kind=kind,
        sent_at=_moment(data.get("createAt")) or now,
        text=_without_name(clean(words).strip(), robot_names),
        media_id=media,
        group=_bounded(_string(data, "conversationId") or UNNAMED_GROUP, MAX_ID)
        if is_group
        else None,
        recipient=_bounded(_string(data, "chatbotUserId"), MAX_ID),
        stale=stale,
        outside=not _string(data, "senderStaffId"),
        return_address=address,
        return_until=until,
        extra=_extra(data),
    )


def parse_event(
    data: Mapping[str, Any], *, account: str, now: datetime, event: str, event_id: str
) -> IncomingMessage:
    """Translate an event push; it is nobody's message, so it holds ids and no words.

    Args:
        event: its type, such as `check_url` or `robot_msg_read`.
        event_id: the platform's key; empty where the platform gives none.
    """
    key = clean(event_id) or hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
    sender = _string(data, "userId") or _string(data, "userid") or _string(data, "UserId")
    extra = {"event": clean(event)[:MAX_EXTRA]}
    extra |= {name: _short(data, field) for field, name in EVENT_FIELDS.items() if data.get(field)}
    return IncomingMessage(
        channel="dingtalk",
        account=account,
        platform_id=_bounded(key, MAX_ID),
        sender=_bounded(sender or PLATFORM, MAX_SENDER),
        kind=Kind.RECEIPT,
        sent_at=_moment(data.get("TimeStamp")) or now,
        extra=extra,
    )


def _decode(raw: bytes) -> str:
    try:
        # Half an emoji must not cost a cry for help: `clean` mends it.
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace")


def _content(data: Mapping[str, Any]) -> tuple[Kind, str, str]:
    """Return kind, words and media handle; a known kind without its fields is `OTHER`."""
    kind = KINDS.get(_string(data, "msgtype").lower(), Kind.OTHER)
    content = data.get("content")
    body = content if isinstance(content, Mapping) else {}
    if kind is Kind.TEXT:
        fragments = body.get("richText")
        if isinstance(fragments, list):
            return _rich(fragments)
        text = data.get("text")
        if isinstance(text, Mapping) and isinstance(text.get("content"), str):
            return kind, text["content"], ""
        kind = Kind.OTHER
    media = _string(body, "downloadCode") or _string(body, "pictureDownloadCode")
    if kind is Kind.OTHER:
        # A kind that is new may keep its words anywhere.
        around = {name: value for name, value in data.items() if name not in ENVELOPE}
        return kind, _all_words(around, anywhere=True), media
    return kind, _all_words({"content": content, "text": data.get("text")}), media


def _rich(fragments: Sequence[Any]) -> tuple[Kind, str, str]:
    """Join the fragments as they are: one word may stand half in bold."""
    words, media = [], ""
    for fragment in fragments:
        if not isinstance(fragment, Mapping):
            words.append(fragment if isinstance(fragment, str) else "")
            continue
        code = _string(fragment, "downloadCode")
        media = media or code
        words.append(_string(fragment, "text") or _all_words(fragment) or ("\n" if code else ""))
    text = "".join(words)
    kind = Kind.TEXT if text.strip() else Kind.IMAGE if media else Kind.OTHER
    return kind, text, media


def _all_words(
    value: object, *, named: bool = False, anywhere: bool = False, depth: int = 0
) -> str:
    """Collect the strings that stand under a field for words, wherever that is.

    Args:
        named: the value itself stands under such a field.
        anywhere: take strings under other fields too, where they are no id: Chinese, not ASCII.
    """
    if isinstance(value, str):
        return value if named or (anywhere and not value.isascii()) else ""
    if depth >= MAX_DEPTH:
        return ""
    parts: list[tuple[object, bool]] = []
    if isinstance(value, Mapping):
        parts = [(inner, name in WORD_FIELDS) for name, inner in value.items()]
    elif isinstance(value, list):
        parts = [(inner, named) for inner in value]
    found = (
        _all_words(inner, named=is_named, anywhere=anywhere, depth=depth + 1)
        for inner, is_named in parts
    )
    return "\n".join(words for words in found if words)


def _return_address(data: Mapping[str, Any]) -> tuple[str, datetime | None]:
    """Return the session webhook with its end; whether it may be called is the client's to say."""
    address = _string(data, "sessionWebhook")
    until = _moment(data.get("sessionWebhookExpiredTime"))
    if not address or until is None or len(address) > MAX_ADDRESS:
        return "", None
    return address, until


def _extra(data: Mapping[str, Any]) -> dict[str, str]:
    extra = {name: _short(data, field) for field, name in EXTRA_FIELDS.items() if data.get(field)}
    if data.get("errorCode"):
        extra["error"] = str(data["errorCode"])[:MAX_EXTRA]
    return extra


def _without_name(text: str, names: Sequence[str]) -> str:
    for name in names:
        if name and text.startswith(f"@{name}"):
            return text[len(name) + 1 :].strip()
    return text


def _string(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return clean(value) if isinstance(value, str) else ""


def _short(data: Mapping[str, Any], name: str) -> str:
    value = data[name]
    text = value if isinstance(value, str) else str(value) if isinstance(value, int) else ""
    return clean(text)[:MAX_EXTRA]


def _bounded(value: str, limit: int) -> str:
    """Return an id that fits its column; a longer one is replaced by its digest."""
    return value if len(value) <= limit else hashlib.sha256(value.encode()).hexdigest()


def _moment(milliseconds: object) -> datetime | None:
    if isinstance(milliseconds, str) and milliseconds.isascii() and milliseconds.isdecimal():
        milliseconds = int(milliseconds[:16])
    if not isinstance(milliseconds, int) or isinstance(milliseconds, bool) or milliseconds <= 0:
        return None
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return None
