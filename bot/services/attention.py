"""What is said while a high case is fresh: the short further crisis reply, not the handbook."""

from datetime import timedelta
from typing import cast

from bot.core.crisis import Family, Level, Speaker, compose_again
from bot.core.levels import rank
from bot.core.messages import Reply
from bot.services.handling import Context

# So long a case of level 3 or 3! answers every message with what matters now.
ATTENTION = timedelta(hours=2)


def wanted(context: Context) -> bool:
    """Say whether a contact's high case is so fresh that nothing else is talked about."""
    danger = context.danger
    return (
        danger.case_id is not None
        and rank(danger.case_level) >= rank("3")
        and danger.raised_at is not None
        and context.now - danger.raised_at < ATTENTION
    )


def crisis_again(context: Context, family: str = "", level: str = "") -> Reply:
    """Return the shorter reply to a further message in an open case.

    Args:
        family: of the message's own danger; by default the case's.
        level: likewise.
    """
    danger = context.danger
    reply = compose_again(
        cast(Family, family or danger.case_family),
        cast(Speaker, danger.case_speaker),
        cast(Level, level or danger.case_level),
        "on" if danger.duty else "off",
        context.services.lines.book,
        context.now,
        context.sender.region or None,
        turn=danger.answered,
        accepted=danger.case_accepted,
    )
    return Reply(reply.text, "risk", reply.source)
