"""Structured logs: one JSON line per event on standard error, ids and codes only.

Message text, names and phone numbers never reach a log. As a second line of defence fields that
could carry them are refused by name, and the access log of the web server is off: its lines would
hold query strings.
"""

import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

REFUSED = frozenset({"text", "body", "content", "name", "phone", "words", "question", "openid"})
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
    """Keep an exception's type; its text may quote what a person wrote."""
    if found := event.pop("exc_info", None):
        kind = found[0] if isinstance(found, tuple) else sys.exc_info()[0]
        event["error"] = kind.__name__ if kind else "unknown"
    return event


def _first_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Cut a library's message after its first line; asyncio prints exceptions below it."""
    event["event"] = str(event["event"]).partition("\n")[0]
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
