"""Stop and resume what is sent unasked: everything, or only the courses, or only the notices.

Questions are still answered, a danger still is, and what a person writes still arrives: nothing of
that looks at these switches.
"""

from datetime import datetime

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.commands import means, spoken
from bot.core.messages import Outcome
from bot.db.models import Contact
from bot.services.handling import Context, Effect, StoredMessage

COURSES, NOTICES = "courses", "notices"


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Stop or resume what is sent unasked."""
    if not spoken(message.kind):
        return None
    if means("stop", message.text):
        if context.sender.stopped:
            return context.outcome("stop", "stop.already")
        return context.outcome("stop", "stop.done", _set(context, stopped_at=context.now))
    if means("resume", message.text):
        on = _set(context, stopped_at=None, courses_stopped_at=None, notices_stopped_at=None)
        return context.outcome("stop", "stop.resumed", on)
    for kind in (COURSES, NOTICES):
        if means(f"stop_{kind}", message.text):
            return _stop(context, kind)
        if means(f"resume_{kind}", message.text):
            return _resume(context, kind)
    return None


def _stop(context: Context, kind: str) -> Outcome:
    """Stop one kind; where everything is stopped already it stays so when the rest comes back."""
    stop = _set(context, **{f"{kind}_stopped_at": context.now})
    if context.sender.stopped:
        return context.outcome("stop", "stop.already", stop)
    return context.outcome("stop", f"stop.{kind}", stop)


def _resume(context: Context, kind: str) -> Outcome:
    """Resume one kind; where everything was stopped the other kind stays stopped."""
    other = NOTICES if kind == COURSES else COURSES
    off = context.sender.notices_stopped if other == NOTICES else context.sender.courses_stopped
    moments: dict[str, datetime | None] = {"stopped_at": None, f"{kind}_stopped_at": None}
    if context.sender.stopped and not off:
        moments[f"{other}_stopped_at"] = context.now
    alone = "_only" if context.sender.stopped or off else ""
    return context.outcome("stop", f"stop.{kind}_resumed{alone}", _set(context, **moments))


def _set(context: Context, **moments: datetime | None) -> Effect:
    async def write(session: AsyncSession) -> None:
        await session.execute(
            update(Contact).where(Contact.id == context.sender.id).values(**moments)
        )

    return write
