"""「收到」: a guardian confirms a notice, once for each child, whoever of the family writes.

With several notices open it is asked which one; with none it is small talk, as always.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.commands import bare_number, means, spoken
from bot.core.errors import NotFound
from bot.core.messages import Outcome
from bot.services import notices
from bot.services.greeting import with_greeting
from bot.services.handling import Context, Effect, StoredMessage
from bot.services.notice_confirm import CHAT, OpenNotice

KIND = "confirm"
VALID = timedelta(minutes=10)
LISTED = 8


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Confirm what waits for this person, or ask which of several they mean."""
    if not spoken(message.kind):
        return None
    text = message.text
    received, listed = means("received", text), means("my_notices", text)
    choosing = context.sender.pending.get("kind") == KIND
    chosen = bare_number(text) if choosing else None
    everything = choosing and means("confirm_all", text)
    if not (received or listed or everything or chosen is not None):
        return None
    async with context.services.database.read() as session:
        found = await notices.waiting(session, context.sender.id, context.now)
    if not found:
        return _small_talk(context) if received else _nothing(context)
    if not message.vouched:
        # Somebody else could confirm in their name.
        return context.outcome(KIND, "service.unvouched")
    if chosen is not None:
        return _one_of(context, found, chosen)
    if everything or (received and len(found) == 1):
        return _confirm(context, found)
    return _which(context, found[-LISTED:])


def _nothing(context: Context) -> Outcome:
    return context.outcome(KIND, "notice.nothing_to_confirm")


def _small_talk(context: Context) -> Outcome:
    reply = context.say("smalltalk.acknowledged", kind="smalltalk")
    return with_greeting(context, Outcome(KIND, (reply,), detail={"kind": "smalltalk"}))


def _which(context: Context, found: Sequence[OpenNotice]) -> Outcome:
    items = "\n".join(
        context.services.phrases.format("notice.which_item", number=number, title=notice.title)
        for number, notice in enumerate(found, 1)
    )
    kept: dict[str, object] = {"kind": KIND, "notices": [notice.id for notice in found]}
    return context.outcome(
        KIND, "notice.which", context.remember(kept, VALID), count=len(found), items=items
    )


def _one_of(context: Context, found: Sequence[OpenNotice], number: int) -> Outcome:
    if context.sender.pending_expired:
        return _which(context, found[-LISTED:])
    offered = context.sender.pending.get("notices")
    ids = [int(str(one)) for one in offered] if isinstance(offered, list) else []
    if not 1 <= number <= len(ids):
        return context.outcome(KIND, "choices.out_of_range", count=len(ids))
    wanted = [notice for notice in found if notice.id == ids[number - 1]]
    # Confirmed meanwhile by somebody else of the family.
    return _confirm(context, wanted) if wanted else _which(context, found[-LISTED:])


def _confirm(context: Context, found: Sequence[OpenNotice]) -> Outcome:
    effects: list[Effect] = [_mark(context, notice.id) for notice in found]
    if context.sender.pending.get("kind") == KIND:
        effects.append(context.remember(None, timedelta()))
    if len(found) == 1:
        return context.outcome(KIND, "notice.confirmed", *effects, title=found[0].title)
    return context.outcome(KIND, "notice.confirmed_all", *effects, count=len(found))


def _mark(context: Context, notice_id: int) -> Effect:
    async def write(session: AsyncSession) -> None:
        # Withdrawn at this very moment: then there is nothing left to confirm.
        with suppress(NotFound):
            await notices.confirm(
                session, context.sender.id, notice_id=notice_id, way=CHAT, now=context.now
            )

    return write
