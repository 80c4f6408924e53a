"""The row that keeps what the screen said of a message."""

from datetime import datetime
from typing import Any

from bot.core.levels import highest
from bot.db.models import Assessment, Message
from bot.services.screening import Screened


def row_of(message: Message, screened: Screened, now: datetime) -> Assessment:
    """Return the assessment of a stored message; `failed` where the screen itself broke."""
    return Assessment(
        message_id=message.id,
        contact_id=message.contact_id,
        level=screened.level,
        fresh_level=screened.fresh,
        created_at=now,
        **_said(screened),
    )


def raised(row: Assessment, screened: Screened) -> None:
    """Let a row say what a later judgement of the same text saw; its levels never fall."""
    row.level = highest((row.level, screened.level))
    row.fresh_level = highest((row.fresh_level, screened.fresh))
    for name, value in _said(screened).items():
        setattr(row, name, value)


def _said(screened: Screened) -> dict[str, Any]:
    verdict = screened.verdict
    return {
        "categories": list(verdict.categories) if verdict else [],
        "who": (verdict.who or "") if verdict else "",
        "subject": verdict.subject if verdict else "unknown",
        "spans": [{"start": s.start, "end": s.end, "text": s.text} for s in verdict.spans]
        if verdict
        else [],
        "reasons": list(verdict.reasons) if verdict else [],
        "rule_ids": list(verdict.rule_ids) if verdict else [],
        "rule_version": verdict.rule_version if verdict else "",
        "weak": bool(verdict and verdict.weak),
        "failed": verdict is None,
    }
