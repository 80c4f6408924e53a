"""First contact by following, scanning a class's QR code or touching the menu."""

from bot.core.messages import Kind, Outcome
from bot.services.greeting import greeted
from bot.services.handling import Context, StoredMessage


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Greet who arrives; the place of the QR code was bound when the message was stored."""
    if message.kind not in (Kind.FOLLOW, Kind.SCAN, Kind.MENU):
        return None
    if context.sender.greeted:
        return context.outcome("follow", "greeting.back")
    return context.outcome("follow", "greeting.first", greeted(context))
