"""Rule sets for the stories about them: drafts, edits, publishing by the district's counselor."""

from house import Home

from bot.db.models import RuleSet
from bot.services import rulesets
from bot.services.rule_files import packaged

CABBAGE = "孩子不爱吃青菜"
RULE = """

[[rule]]
id = "own.cabbage"
category = "DIS"
level = "2"
reason = "提到青菜。"
patterns = "青菜"
"""
# Without this file nobody is told of a child who cuts itself.
SELF_HARM = "selfharm.toml"


async def draft(home: Home, name: str = "加一条") -> RuleSet:
    """Make a draft of the rules in force."""
    async with home.write() as session:
        return await rulesets.make_draft(
            session,
            home.place.as_district,
            name=name,
            note="",
            now=home.clock.now(),
        )


async def edited(
    home: Home, row: RuleSet, file: str = "parent.toml", more: str = RULE, text: str | None = None
) -> RuleSet:
    """Save a file of a draft: the packaged one with something more, or another text."""
    return await rulesets.save(
        home.house.services.database,
        home.place.as_district,
        row.id,
        file=file,
        text=packaged()[file] + more if text is None else text,
        row_version=row.row_version,
        now=home.clock.now(),
    )


async def published(home: Home, row: RuleSet, instead_of: int = 0) -> RuleSet:
    """Publish a draft."""
    return await rulesets.publish(
        home.house.services.database,
        home.place.as_district,
        row.id,
        row_version=row.row_version,
        instead_of=instead_of,
        reason="试一试",
        now=home.clock.now(),
    )
