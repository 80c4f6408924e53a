"""「留言 我们那天请假」: a guardian answers a notice, and its author reads it on the notice's page.

Stands before `held`: like the other commands it works while a person holds the conversation, for
it is for somebody else. What may be a danger stays with the counselor (`notice_feedback.add`).
"""

from collections.abc import Sequence
from datetime import timedelta

from bot.core.commands import bare_number, prefixed, spoken
from bot.core.errors import Conflict, InputInvalid, NotAllowed, NotFound
from bot.core.messages import Outcome
from bot.db.models import Message
from bot.services import notice_feedback
from bot.services.attention import wanted
from bot.services.handling import Context, StoredMessage
from bot.services.notice_feedback import WORDS_MOST, Recent
from bot.services.remembered import CONFIRMED

KIND, COMMAND = "notice_reply", "notice_reply"
VALID = timedelta(minutes=10)
LISTED = 8


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Keep what is written for a notice's author, or ask which notice is meant."""
    if not spoken(message.kind) or message.group is not None or wanted(context):
        return None
    words, number = prefixed(COMMAND, message.text), _number(context, message)
    if words is None and number is None:
        return None
    if not message.vouched:
        # Somebody else could write in their name.
        return context.outcome(KIND, "service.unvouched")
    if number is not None:
        return await _chosen(context, number)
    if not words:
        return context.outcome(KIND, "notice.reply_how", most=WORDS_MOST)
    async with context.services.database.read() as session:
        found = await notice_feedback.recent(session, context.sender.id, context.now)
    open_ = [notice for notice in found if not notice.withdrawn]
    if not open_ and found:
        return context.outcome(KIND, "notice.reply_withdrawn", title=found[-1].title)
    if not open_:
        return context.outcome(KIND, "notice.reply_none")
    meant = _just_confirmed(context, open_)
    if meant is None and len(open_) > 1:
        return _which(context, open_[-LISTED:], message.id)
    return await _keep(context, meant or open_[0], message.id)


def _number(context: Context, message: StoredMessage) -> int | None:
    pending = context.sender.pending.get("kind") == KIND
    return bare_number(message.text) if pending else None


def _just_confirmed(context: Context, open_: Sequence[Recent]) -> Recent | None:
    """Return the notice that was confirmed right before: what follows is about it."""
    pending = context.sender.pending
    if pending.get("kind") != CONFIRMED or context.sender.pending_expired:
        return None
    return next((notice for notice in open_ if notice.id == pending.get("notice")), None)


def _which(context: Context, open_: Sequence[Recent], message_id: int) -> Outcome:
    phrases = context.services.phrases
    # The newest first: that is the one that is mostly meant.
    newest = list(reversed(open_))
    items = "\n".join(
        phrases.format("notice.which_item", number=number, title=notice.title)
        for number, notice in enumerate(newest, 1)
    )
    kept: dict[str, object] = {
        "kind": KIND,
        "message": message_id,
        "notices": [notice.id for notice in newest],
    }
    return context.outcome(KIND, "notice.reply_which", context.remember(kept, VALID), items=items)


async def _chosen(context: Context, number: int) -> Outcome:
    """Keep the words of the message before for the notice that was meant."""
    pending = context.sender.pending
    if context.sender.pending_expired:
        return context.outcome(KIND, "notice.reply_again", context.remember(None, timedelta()))
    offered = pending.get("notices")
    ids = [int(str(one)) for one in offered] if isinstance(offered, list) else []
    if not 1 <= number <= len(ids):
        return context.outcome(KIND, "choices.out_of_range", count=len(ids))
    async with context.services.database.read() as session:
        found = await notice_feedback.recent(session, context.sender.id, context.now)
    meant = next((notice for notice in found if notice.id == ids[number - 1]), None)
    if meant is None:
        return context.outcome(KIND, "notice.reply_none")
    return await _keep(context, meant, int(str(pending.get("message", 0))))


async def _keep(context: Context, notice: Recent, message_id: int) -> Outcome:
    """Keep the words in a transaction of its own, so that the answer says what really happened."""
    try:
        async with context.services.database.write() as session:
            message = await session.get_one(Message, message_id)
            title = await notice_feedback.add(
                session,
                notice_id=notice.id,
                contact_id=context.sender.id,
                message_id=message_id,
                text=prefixed(COMMAND, message.text) or "",
                now=context.now,
            )
    except NotAllowed:
        return context.outcome(KIND, "notice.reply_not_now")
    except InputInvalid:
        return context.outcome(KIND, "notice.reply_long", most=WORDS_MOST)
    except Conflict:
        return context.outcome(KIND, "notice.reply_withdrawn", title=notice.title)
    except NotFound:
        return context.outcome(KIND, "notice.reply_none")
    asked = context.sender.pending.get("kind") == KIND
    effects = [context.remember(None, timedelta())] if asked else []
    return context.outcome(KIND, "notice.reply_kept", *effects, title=title)
