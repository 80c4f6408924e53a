"""A teacher's notices, written to DingTalk's robot: shown with true counts, then sent or not.

`通知 三年级2班 周五下午两点家长会，请回复收到` → the exact words and whom they reach → 「发送」,
「取消」, or the notice written anew. Everybody else's messages pass through.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core import notice_wish
from bot.core.class_names import Named
from bot.core.commands import bare_number, means, spoken
from bot.core.errors import Conflict
from bot.core.messages import Outcome
from bot.core.notice_wish import Wish
from bot.db.models import Message, Notice
from bot.services import notice_chat, notice_feedback, notices
from bot.services.handling import Context, Effect, StoredMessage
from bot.services.notice_words import Sender, compose
from bot.services.staff import StaffView

DRAFT, CLASS = "notice_draft", "notice_class"
VALID = timedelta(minutes=30)
# Fewer than on the page: the preview stands around the words within one message.
BODY_BYTES = 1200
MOST_SIGNS = BODY_BYTES // 3
LISTED = 12


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Draft, send or drop a notice, or tell how far the last ones have come."""
    if not spoken(message.kind) or message.channel != "dingtalk" or message.group is not None:
        return None
    asked = _asked(context, message.text)
    if not asked and not notice_wish.mentioned(message.text):
        return None
    if not message.vouched:
        refused = means("notice_progress", message.text) or notice_wish.looks_like(message.text)
        return context.outcome("notices", "service.unvouched") if refused else None
    services = context.services
    async with services.database.read() as session:
        by = await notice_chat.author(session, services, message, context.sender.id, context.now)
        if by is None:
            return None
        return await _answer(session, context, message, by)


def _asked(context: Context, text: str) -> bool:
    """Say whether the message may be the answer to a draft that was shown."""
    known = context.sender.pending.get("kind") in (DRAFT, CLASS)
    answer = means("notice_send", text) or means("cancel", text) or bare_number(text) is not None
    return (known and answer) or means("notice_send", text)


async def _answer(
    session: AsyncSession, context: Context, message: StoredMessage, by: StaffView
) -> Outcome | None:
    text = message.text
    if means("notice_progress", text):
        return await _progress(session, context, by)
    if means("notice_send", text):
        return await _send(session, context, by)
    if means("cancel", text):
        return _cancel(context, by)
    theirs = await notice_chat.writable(session, by)
    if bare_number(text) is not None:
        return await _chosen(session, context, by, theirs, text)
    wish = notice_wish.read(text, theirs)
    if wish is None or (not wish.spaced and not wish.places):
        return None
    if not theirs:
        return context.outcome("notices", "notice.no_right")
    return await _draft(session, context, by, theirs, wish, message.id)


async def _draft(
    session: AsyncSession,
    context: Context,
    by: StaffView,
    theirs: Sequence[Named],
    wish: Wish,
    message_id: int,
) -> Outcome:
    if not wish.body:
        return context.outcome("notices", "notice.draft_empty")
    if not wish.places:
        return context.outcome("notices", "notice.class_unknown", places=_names(theirs))
    if len(wish.places) > 1:
        return _which(context, wish.places, message_id)
    if len(wish.body.encode()) > BODY_BYTES:
        return context.outcome("notices", "notice.draft_too_long", most=MOST_SIGNS)
    return await _preview(session, context, by, wish.places[0], wish, message_id)


async def _preview(
    session: AsyncSession,
    context: Context,
    by: StaffView,
    place: Named,
    wish: Wish,
    message_id: int,
) -> Outcome:
    services = context.services
    found = await notices.preview_place(
        session, place.id, context.now, templates=services.templates
    )
    if not found.guardians:
        return context.outcome("notices", "notice.draft_nobody", place=place.full)
    words = compose(
        services.phrases,
        Notice(kind="notice", title=wish.title, body=wish.body, confirm=wish.asks),
        Sender(place.name, by.name),
    )
    asks = "notice.draft_asks" if wish.asks else "notice.draft_asks_nothing"
    return context.outcome(
        "notices",
        "notice.draft",
        _keep(context, by, place.id, wish, message_id),
        place=place.full,
        children=found.children,
        guardians=found.guardians,
        reachable=found.reachable,
        unreachable=found.guardians - found.reachable,
        ask=services.phrases.format(asks),
        words=words,
        minutes=int(VALID.total_seconds() // 60),
    )


def _keep(context: Context, by: StaffView, place_id: int, wish: Wish, message_id: int) -> Effect:
    """Return the effect that stores the draft in place of the one before."""

    async def write(session: AsyncSession) -> None:
        old = _pending_notice(context)
        if old is not None:
            await notices.discard(session, by, old)
        notice = await notices.draft(
            session,
            by,
            place_id=place_id,
            title=wish.title,
            body=wish.body,
            confirm=wish.asks,
            key=f"chat:{message_id}",
            now=context.now,
        )
        await context.remember({"kind": DRAFT, "notice": notice.id}, VALID)(session)

    return write


async def _send(session: AsyncSession, context: Context, by: StaffView) -> Outcome:
    notice_id = _pending_notice(context)
    notice = await notice_chat.draft_of(session, by, notice_id) if notice_id is not None else None
    if notice is None or context.sender.pending_expired:
        return context.outcome("notices", "notice.draft_gone")
    theirs = await notice_chat.writable(session, by)
    place = next((one for one in theirs if one.id == notice.place_id), None)
    if place is None:
        return context.outcome("notices", "notice.no_right")
    templates = context.services.templates
    found = await notices.preview(session, notice.id, context.now, templates=templates)

    async def send(session: AsyncSession) -> None:
        # Sent or dropped on the page meanwhile: then that counts.
        with suppress(Conflict):
            await notices.send(session, by, notice.id, notice.row_version, context.now)

    return context.outcome(
        "notices",
        "notice.draft_sent",
        send,
        context.remember(None, timedelta()),
        place=place.full,
        reachable=found.reachable,
    )


def _cancel(context: Context, by: StaffView) -> Outcome:
    notice_id = _pending_notice(context)

    async def discard(session: AsyncSession) -> None:
        if notice_id is not None:
            await notices.discard(session, by, notice_id)

    forget = context.remember(None, timedelta())
    return context.outcome("notices", "notice.draft_cancelled", discard, forget)


def _which(context: Context, places: Sequence[Named], message_id: int) -> Outcome:
    shown = places[:LISTED]
    items = "\n".join(
        context.services.phrases.format("notice.which_item", number=number, title=place.full)
        for number, place in enumerate(shown, 1)
    )
    kept: dict[str, object] = {
        "kind": CLASS,
        "message": message_id,
        "places": [place.id for place in shown],
    }
    return context.outcome(
        "notices", "notice.class_which", context.remember(kept, VALID), items=items
    )


async def _chosen(
    session: AsyncSession, context: Context, by: StaffView, theirs: Sequence[Named], text: str
) -> Outcome | None:
    """Go on with the class that was meant; the words are read again from the message itself."""
    pending = context.sender.pending
    if pending.get("kind") != CLASS:
        return None
    if context.sender.pending_expired:
        return context.outcome("notices", "notice.draft_gone")
    offered = pending.get("places")
    ids = [int(str(one)) for one in offered] if isinstance(offered, list) else []
    number = bare_number(text) or 0
    if not 1 <= number <= len(ids):
        return context.outcome("notices", "choices.out_of_range", count=len(ids))
    message = await session.get(Message, int(str(pending.get("message", 0))))
    wish = notice_wish.read(message.text, theirs) if message is not None else None
    place = next((one for one in theirs if one.id == ids[number - 1]), None)
    if message is None or wish is None or place is None:
        return context.outcome("notices", "notice.draft_gone")
    only = Wish([place], wish.body, wish.spaced)
    return await _draft(session, context, by, theirs, only, message.id)


async def _progress(session: AsyncSession, context: Context, by: StaffView) -> Outcome:
    items = []
    latest = await notice_chat.latest(session, by)
    answers = await notice_feedback.counts(session, [notice.id for notice, _ in latest])
    for notice, place in latest:
        found = await notices.states(session, notice.id, rows=0)
        counts, (feedback, unread) = found.counts, answers.get(notice.id, (0, 0))
        items.append(
            context.services.phrases.format(
                "notice.progress_item",
                title=notice.title,
                place=place,
                confirmed=found.children_confirmed,
                children=found.children_total,
                people=found.people,
                queued=counts["queued"] + counts["sending"],
                accepted=counts["accepted"] + counts["confirmed"] + counts["read"],
                read=counts["read"],
                missed=counts["failed"] + counts["unreachable"],
                unknown=counts["unknown"],
                feedback=feedback,
                unread=unread,
            )
        )
    if not items:
        return context.outcome("notices", "notice.progress_none")
    return context.outcome("notices", "notice.progress", items="\n".join(items))


def _pending_notice(context: Context) -> int | None:
    pending = context.sender.pending
    return int(str(pending["notice"])) if pending.get("kind") == DRAFT else None


def _names(theirs: Sequence[Named]) -> str:
    return "、".join(place.full for place in theirs[:LISTED])
