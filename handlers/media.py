"""Voice without words, pictures, files, places, links: said honestly that nobody has read them.

Stands before every search: a pin's address and a link's title were screened for danger, but they
are no question and no command. After a dangerous message they are on the counselor's desk.
"""

from bot.core.levels import rank
from bot.core.messages import Kind, Outcome
from bot.services.handling import Context, StoredMessage

PHRASES = {
    Kind.VOICE: "media.voice",
    Kind.IMAGE: "media.picture",
    Kind.VIDEO: "media.video",
    Kind.FILE: "media.file",
    Kind.LOCATION: "media.location",
    Kind.LINK: "media.link",
    Kind.UNREADABLE: "media.unreadable",
    Kind.OTHER: "media.unsupported",
}
# Their words (an address, a title) are not what the parent asks.
WORDLESS = frozenset({Kind.LOCATION, Kind.LINK, Kind.FILE})


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Answer what can't be read as words."""
    key = PHRASES.get(message.kind)
    if key is None:
        return None
    if message.text and message.kind not in WORDLESS:
        return None
    if message.kind is Kind.UNREADABLE:
        # Its words never came: no counselor can see them either.
        return context.outcome("media", key)
    danger = context.danger
    if danger.case_id is not None and rank(danger.case_level) >= rank("2"):
        shown = danger.duty or danger.case_accepted
        key = "media.after_risk_forwarded" if shown else "media.after_risk_waiting"
    return context.outcome("media", key)
