"""The last handler: a parent is never left in silence.

Also called by the router when another handler failed; then the conversation is put on the desk.
"""

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.messages import Kind, Outcome
from bot.services import handoffs
from bot.services.handling import Context, StoredMessage


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Answer what nobody else did; a text that ends here means that something failed."""
    if message.kind is Kind.TEXT and not message.text.strip():
        return context.outcome("fallback", "input.empty")
    policy = context.services.policy

    async def flag(session: AsyncSession) -> None:
        cover = await handoffs.cover(session, policy, context.sender.id, context.now)
        await handoffs.open_case(
            session, policy, context.sender.id, message.id, cover, now=context.now
        )

    return context.outcome("fallback", "fallback.failed", flag)
