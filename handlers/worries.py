"""A teacher's worry about a child, written to DingTalk's robot: named, a reason by number, sent.

`上报 三年级2班 张小明` → the reasons → its number is the second tap. Everybody else's messages pass
through. What a teacher writes is screened before it comes here, as all that comes in.
"""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core import worry_wish
from bot.core.commands import bare_number, means, spoken
from bot.core.messages import Outcome
from bot.services import notice_chat, worries, worry_chat
from bot.services.handling import Context, StoredMessage
from bot.services.staff import StaffView

PENDING = "worry"
VALID = timedelta(minutes=15)


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Ask for the reason, send the worry, or drop it."""
    if not spoken(message.kind) or message.channel != "dingtalk" or message.group is not None:
        return None
    named = worry_wish.rest(message.text) is not None
    if not named and not _answers(context, message.text):
        return None
    if not message.vouched:
        return context.outcome("worries", "service.unvouched") if named else None
    services = context.services
    async with services.database.read() as session:
        by = await notice_chat.author(session, services, message, context.sender.id, context.now)
        if by is None or not by.roles:
            return None
        if named:
            return await _ask(session, context, by, message)
        return await _answer(session, context, by, message.text)


def _answers(context: Context, text: str) -> bool:
    """Say whether a message may be the answer to the reasons that were shown."""
    known = context.sender.pending.get("kind") == PENDING
    return known and (means("cancel", text) or bare_number(text) is not None)


async def _ask(
    session: AsyncSession, context: Context, by: StaffView, message: StoredMessage
) -> Outcome | None:
    said = await worry_chat.meant(session, by, message.text)
    if said is None:
        return None
    if not said.children:
        return context.outcome("worries", "worry.child_unknown")
    if len(said.children) > 1:
        return context.outcome("worries", "worry.child_which")
    [(child_id, (place, name))] = said.children.items()
    items = "\n".join(
        context.services.phrases.format("worry.item", number=number, reason=one.text)
        for number, one in enumerate(worries.reasons(), 1)
    )
    kept: dict[str, object] = {"kind": PENDING, "child": child_id, "message": message.id}
    return context.outcome(
        "worries",
        "worry.ask",
        context.remember(kept, VALID),
        place=place,
        child=name,
        items=items,
        minutes=int(VALID.total_seconds() // 60),
    )


async def _answer(session: AsyncSession, context: Context, by: StaffView, text: str) -> Outcome:
    forget = context.remember(None, timedelta())
    if means("cancel", text):
        return context.outcome("worries", "worry.cancelled", forget)
    pending, reasons = context.sender.pending, worries.reasons()
    number = bare_number(text) or 0
    if not 1 <= number <= len(reasons):
        return context.outcome("worries", "choices.out_of_range", count=len(reasons))
    child_id, message_id = int(str(pending["child"])), int(str(pending["message"]))
    said = await worry_chat.again(session, by, message_id, child_id)
    if said is None or context.sender.pending_expired:
        return context.outcome("worries", "worry.gone", forget)
    chosen, services = reasons[number - 1], context.services

    async def send(session: AsyncSession) -> None:
        await worries.raise_worry(
            session,
            services.policy,
            services.screen,
            by,
            child_id=child_id,
            reason=chosen.code,
            words=said.words[: worries.MOST_WORDS],
            key=f"chat:{message_id}",
            now=context.now,
        )

    if not await worry_chat.covered(session, child_id, context.now):
        return context.outcome("worries", "worry.sent_uncovered", send, forget)
    minutes = worry_chat.minutes(chosen, context.now)
    return context.outcome("worries", "worry.sent", send, forget, minutes=minutes)
