"""Structured logs: one JSON line per event on standard error, ids and codes only.

Message text, names and phone numbers never reach a log. As a second line of defence fields that
could carry them are refused by name, and the access log of the web server is off: its lines would
hold query strings.
"""

import logging
import re
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

from bot.core.errors import ConfigInvalid

REFUSED = frozenset({"text", "body", "content", "name", "phone", "words", "question", "openid"})
_TRACEBACK = "Traceback (most recent call last):"
# The first line of a traceback that is not indented, after the frames.
_RAISED = re.compile(r"\A.*\n(?:[ \t].*\n)*(?P<kind>[A-Za-z_][\w.]*)(?:: (?P<reason>.*))?(?:\n|\Z)")
# uvicorn names the address of a websocket, and its query holds DingTalk's ticket.
_QUERY = re.compile(r"\?[^\s\"]*=[^\s\"]*")
NOISY = (
    "httpx2",
    "httpcore2",
    "sqlalchemy",
    "aiosqlite",
    "alembic",
    "bm25s",
    "uvicorn.access",
    "wechatpy",
    "asyncio",
)


def _refuse_personal(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key in REFUSED & event.keys():
        event[key] = "[refused]"
    return event


def _type_only(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Keep an exception's type, and a setting's problem; other texts may quote what was written."""
    if found := event.pop("exc_info", None):
        if isinstance(found, BaseException):
            found = (type(found), found, None)
        kind, error = (found if isinstance(found, tuple) else sys.exc_info())[:2]
        event["error"] = kind.__name__ if kind else "unknown"
        if isinstance(error, ConfigInvalid):
            event["reason"] = str(error)
    return event


def _first_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Cut a library's message after its first line, and every query string out of it.

    asyncio prints exceptions below the first line. Where the message is a traceback (uvicorn's, of
    a failed start) its exception's type is kept.
    """
    text = str(event["event"])
    event["event"] = _QUERY.sub("?[cut]", text.partition("\n")[0])
    if found := _RAISED.search(text[text.rfind(_TRACEBACK) :]) if _TRACEBACK in text else None:
        event["error"] = found["kind"].rpartition(".")[2]
        if event["error"] == ConfigInvalid.__name__:
            event["reason"] = found["reason"]
    return event


def configure(level: str) -> None:
    """Set up logging for a process.

    Args:
        level: the least severity that is written.
    """
    number: int = logging.getLevelNamesMapping()[level]
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _refuse_personal,
        _type_only,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(ensure_ascii=False)],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _first_line],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    logging.basicConfig(level=number, handlers=[handler], force=True)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
