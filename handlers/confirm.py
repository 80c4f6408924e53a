"""「收到」: a guardian confirms a notice, once for each child, whoever of the family writes.

With several notices open it is asked which one; with none it is small talk, as always. While a
person holds the conversation `handlers.held` counts it in silence.
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
from bot.services.remembered import CONFIRMED

KIND = "confirm"
VALID = timedelta(minutes=10)
# So long what is written for the teacher is about the notice that was just confirmed.
FRESH = timedelta(minutes=30)
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
    if everything and not context.sender.pending_expired:
        return _all_listed(context, found)
    if received and len(found) == 1:
        return _confirm(context, found, rest=0)
    return _which(context, found)


def _nothing(context: Context) -> Outcome:
    return context.outcome(KIND, "notice.nothing_to_confirm")


def _small_talk(context: Context) -> Outcome:
    reply = context.say("smalltalk.acknowledged", kind="smalltalk")
    return with_greeting(context, Outcome(KIND, (reply,), detail={"kind": "smalltalk"}))


def _which(context: Context, found: Sequence[OpenNotice]) -> Outcome:
    """Ask which of the newest is meant; with more of them it is said how many there are."""
    listed = found[-LISTED:]
    items = "\n".join(
        context.services.phrases.format("notice.which_item", number=number, title=notice.title)
        for number, notice in enumerate(listed, 1)
    )
    kept: dict[str, object] = {"kind": KIND, "notices": [notice.id for notice in listed]}
    keep = context.remember(kept, VALID)
    if len(found) == len(listed):
        return context.outcome(KIND, "notice.which", keep, count=len(found), items=items)
    return context.outcome(
        KIND, "notice.which_latest", keep, count=len(found), listed=len(listed), items=items
    )


def _offered(context: Context) -> list[int]:
    offered = context.sender.pending.get("notices")
    return [int(str(one)) for one in offered] if isinstance(offered, list) else []


def _all_listed(context: Context, found: Sequence[OpenNotice]) -> Outcome:
    """Confirm all that were listed, and none that the person has not been shown."""
    ids = _offered(context)
    wanted = [notice for notice in found if notice.id in ids]
    return _confirm(context, wanted, rest=len(found) - len(wanted)) if wanted else _nothing(context)


def _one_of(context: Context, found: Sequence[OpenNotice], number: int) -> Outcome:
    if context.sender.pending_expired:
        return _which(context, found)
    ids = _offered(context)
    if not 1 <= number <= len(ids):
        return context.outcome(KIND, "choices.out_of_range", count=len(ids))
    wanted = [notice for notice in found if notice.id == ids[number - 1]]
    # Confirmed meanwhile by somebody else of the family.
    return _confirm(context, wanted, rest=0) if wanted else _which(context, found)


def _confirm(context: Context, found: Sequence[OpenNotice], *, rest: int) -> Outcome:
    """Confirm some notices.

    Args:
        rest: how many still wait and were not listed; only said after a list.
    """
    effects: list[Effect] = [_mark(context, notice.id) for notice in found]
    if rest:
        effects.append(context.remember(None, timedelta()))
        return context.outcome(KIND, "notice.confirmed_some", *effects, count=len(found), rest=rest)
    if len(found) == 1:
        if _free(context):
            effects.append(context.remember({"kind": CONFIRMED, "notice": found[0].id}, FRESH))
        return context.outcome(KIND, "notice.confirmed", *effects, title=found[0].title)
    effects.append(context.remember(None, timedelta()))
    return context.outcome(KIND, "notice.confirmed_all", *effects, count=len(found))


def _free(context: Context) -> bool:
    """Say whether nothing else that was said before would be forgotten."""
    kind = context.sender.pending.get("kind")
    return kind in (None, KIND, CONFIRMED) or context.sender.pending_expired


def _mark(context: Context, notice_id: int) -> Effect:
    async def write(session: AsyncSession) -> None:
        # Withdrawn at this very moment: then there is nothing left to confirm.
        with suppress(NotFound):
            await notices.confirm(
                session, context.sender.id, notice_id=notice_id, way=CHAT, now=context.now
            )

    return write
