"""The optional emergency contact: asked for, stored encrypted, changed or skipped at will."""

import re
from datetime import timedelta

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.commands import means, spoken
from bot.core.messages import Outcome
from bot.db.models import Contact
from bot.services.handling import Context, StoredMessage
from bot.services.remembered import EMERGENCY_ASKED, EMERGENCY_VALID

_NUMBER = re.compile(r"(?<!\d)1\d{10}(?!\d)|(?<!\d)0\d{2,3}-?\d{7,8}(?!\d)")
_DIGITS = re.compile(r"\d{5,}")
LONGEST = 60


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Take an emergency contact in one sentence."""
    if not message.text or not spoken(message.kind):
        return None
    forget = context.remember(None, timedelta())
    asked = context.sender.pending.get("kind") == "emergency" and not context.sender.pending_expired
    if means("emergency", message.text):
        ask = context.remember(dict(EMERGENCY_ASKED), EMERGENCY_VALID)
        return context.outcome("emergency", "emergency.ask", ask)
    if not asked:
        return None
    if means("skip", message.text):
        return context.outcome("emergency", "emergency.skipped", forget)
    if len(message.text) > LONGEST:
        return None
    if not _NUMBER.search(message.text):
        # Words without anything like a number are about something else, and are answered.
        mistyped = _DIGITS.search(message.text)
        return context.outcome("emergency", "emergency.unreadable") if mistyped else None

    async def write(session: AsyncSession) -> None:
        await session.execute(
            update(Contact)
            .where(Contact.id == context.sender.id)
            .values(emergency_contact=message.text.strip())
        )

    return context.outcome("emergency", "emergency.thanks", write, forget)
