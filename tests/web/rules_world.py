"""Rule sets for the page tests."""

from desk_world import World

from bot.services import rulesets


async def add_draft(world: World, name: str = "草稿") -> int:
    """Add a draft of the rules in force and return its id."""
    async with world.services.database.write() as session:
        row = await rulesets.make_draft(
            session, await world.seen("counselor"), name=name, note="", now=world.now
        )
    return row.id
