"""What is said while a high case is fresh: the short further crisis reply, not the handbook."""

from datetime import timedelta
from typing import cast

from bot.core.commands import answers
from bot.core.crisis import Family, Level, Speaker, compose_again
from bot.core.levels import rank
from bot.core.messages import Reply
from bot.services.handling import Context
from bot.services.remembered import PASSING

# So long a case of level 3 or 3! answers every message with what matters now.
ATTENTION = timedelta(hours=2)
# So long after a worry of level 2 a word may be the answer to what its reply asked.
ANSWERED_WITHIN = timedelta(minutes=30)


def wanted(context: Context) -> bool:
    """Say whether a contact's high case is so fresh that nothing else is talked about."""
    danger = context.danger
    return (
        danger.case_id is not None
        and rank(danger.case_level) >= rank("3")
        and danger.raised_at is not None
        and context.now - danger.raised_at < ATTENTION
    )


def safety_answered(context: Context, text: str) -> bool:
    """Say whether a message answers the safety question in the reply to a worry of level 2.

    「在家」 and 「一个人」 are no questions to a handbook just then; in the middle of a step that
    asks something else they are that step's.
    """
    danger, sender = context.danger, context.sender
    open_step = not sender.pending_expired and sender.pending.get("kind") not in PASSING
    return (
        danger.case_id is not None
        and danger.case_level == "2"
        and danger.raised_at is not None
        and context.now - danger.raised_at < ANSWERED_WITHIN
        and not open_step
        and answers("safety", text)
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
