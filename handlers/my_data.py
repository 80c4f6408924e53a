"""「我的数据」: a link to the parent's own page, for one browser and a day."""

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.commands import means, spoken
from bot.core.messages import Outcome
from bot.services import links
from bot.services.handling import Context, StoredMessage

MINE = "mine"


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Give a fresh link, which ends the one before; without an address say what goes in chat."""
    if not spoken(message.kind) or message.group is not None:
        return None
    if not means("my_data", message.text or message.scene):
        return None
    services = context.services
    if not services.public_url:
        return context.outcome("my_data", "my_data.no_page")
    token = links.new_token()

    async def write(session: AsyncSession) -> None:
        await links.revoke(session, context.sender.id, now=context.now, purpose=MINE)
        await links.make(
            session,
            services.ring,
            purpose=MINE,
            contact_id=context.sender.id,
            now=context.now,
            length=links.MINE_VALID,
            token=token,
        )

    hours = int(links.MINE_VALID.total_seconds() // 3600)
    link = f"{services.public_url}/p/{token}"
    return context.outcome("my_data", "my_data.link", write, hours=hours, link=link)
