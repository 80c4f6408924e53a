"""The frames of a Stream connection: JSON around JSON. Used by `StreamClient`.

Source: open.dingtalk.com, `develop-stream-mode-push-server`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.channels.dingtalk.parse import load_object
from bot.core.errors import CallbackMalformed


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame from the platform.

    Args:
        kind: `SYSTEM`, `CALLBACK` or `EVENT`.
        topic: what a callback is for; `ping` or `disconnect` of the system.
        message_id: names the frame in its acknowledgement.
        data: JSON text.
    """

    kind: str
    topic: str
    message_id: str
    data: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def read_frame(raw: str | bytes) -> Frame | None:
    """Read a frame; None for what is none: it has no id, so it can't even be refused."""
    try:
        body = load_object(raw)
    except CallbackMalformed:
        return None
    headers = body.get("headers")
    kind, data = body.get("type"), body.get("data", "")
    if not isinstance(headers, Mapping) or not isinstance(kind, str):
        return None
    texts = {name: value for name, value in headers.items() if isinstance(value, str)}
    if not texts.get("messageId"):
        return None
    if not isinstance(data, str):
        data = json.dumps(data)
    return Frame(kind.upper(), texts.get("topic", ""), texts["messageId"], data, texts)


def acknowledge(frame: Frame, *, code: int = 200, message: str = "OK", data: str = "") -> str:
    """Return the acknowledgement of a frame."""
    return json.dumps(
        {
            "code": code,
            "headers": {"contentType": "application/json", "messageId": frame.message_id},
            "message": message,
            "data": data,
        },
        ensure_ascii=False,
    )
