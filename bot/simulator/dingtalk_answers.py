"""How the fake DingTalk words an answer, a refusal, and what it reads of a message.

Called by `bot.simulator.dingtalk_server`.
"""

import json
from typing import Any

from starlette.responses import JSONResponse, Response

MAX_PARAM_BYTES = 15_000


def refused(status: int, code: str) -> Response:
    """Refuse as the new API does."""
    return JSONResponse({"code": code, "message": "refused", "requestid": "0000"}, status)


def numbered(errcode: int, **more: Any) -> Response:
    """Answer as the old API does; 0 is a success."""
    text = "ok" if errcode == 0 else "refused"
    return JSONResponse({"errcode": errcode, "errmsg": text, **more})


def wrapped(code: int) -> Response:
    """Refuse as the old API does for what it only passes on."""
    return JSONResponse(
        {"errcode": 88, "errmsg": "refused", "sub_code": str(code), "sub_msg": "refused"}
    )


def words_of(payload: dict[str, Any]) -> str | None:
    """Return the words of a robot's message, None when `msgParam` is no JSON in a string."""
    raw = payload.get("msgParam")
    if not isinstance(raw, str) or len(raw.encode()) > MAX_PARAM_BYTES:
        return None
    try:
        parameters = json.loads(raw)
    except ValueError:
        return None
    return str(parameters.get("content") or parameters.get("text") or "")
