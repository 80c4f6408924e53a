"""Talk to a person: always works, opens a case of level 1 and says truthfully who is there."""

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import to_shanghai
from bot.core.commands import means, spoken
from bot.core.levels import rank
from bot.core.messages import Kind, Outcome
from bot.services import handoffs
from bot.services.handling import Context, StoredMessage


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Hand a conversation to a person when that is asked for."""
    if not spoken(message.kind):
        return None
    words = message.scene if message.kind is Kind.MENU else message.text
    if not means("handoff", words):
        return None
    danger = context.danger
    if danger.case_id is not None and (
        danger.case_origin == "handoff" or rank(danger.case_level) >= rank("2")
    ):
        return context.outcome("handoff", "handoff.already")
    services = context.services
    async with services.database.read() as session:
        cover = await handoffs.cover(session, services.policy, context.sender.id, context.now)

    async def open_case(session: AsyncSession) -> None:
        await handoffs.open_case(
            session, services.policy, context.sender.id, message.id, cover, now=context.now
        )

    if cover.on_duty:
        return context.outcome("handoff", "handoff.on", open_case)
    if cover.next_shift is None:
        return context.outcome("handoff", "handoff.off_unknown", open_case)
    when = f"{to_shanghai(cover.next_shift):%m-%d %H:%M}"
    return context.outcome("handoff", "handoff.off", open_case, next_shift=when)
