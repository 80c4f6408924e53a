"""Danger: the fixed crisis reply in a 1:1 conversation, one neutral line in a group.

The case was opened and people called when the message was stored; here only words are chosen.
"""

from typing import cast

from bot.core.crisis import Level, compose, family_of, speaker_of
from bot.core.messages import Outcome, Reply
from bot.services.attention import crisis_again
from bot.services.handling import Context, StoredMessage
from bot.services.wording import constant_numbers


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Answer a dangerous message."""
    danger = context.danger
    if message.group is not None:
        return await _in_group(context, message)
    if danger.failed:
        reply = context.say("fallback.screen_failed", kind="risk")
        return Outcome("risk", (reply,), detail={"kind": "risk"})
    if danger.escalated and not _left_to_person(context):
        return Outcome("risk", (_crisis(context),), detail={"kind": "risk", "level": danger.fresh})
    return None


def _left_to_person(context: Context) -> bool:
    """Say whether a counselor is at it right now, so that fixed words would only get in the way.

    A first danger to life is answered all the same, whoever holds the conversation.
    """
    danger = context.danger
    return context.sender.attended and (danger.fresh != "3!" or danger.same_family > 0)


def _crisis(context: Context) -> Reply:
    danger = context.danger
    if danger.same_family:
        return crisis_again(context, family_of(danger.categories), danger.fresh)
    reply = compose(
        family_of(danger.categories),
        speaker_of(danger.who or None),
        cast(Level, danger.fresh),
        "on" if danger.duty else "off",
        context.services.lines.book,
        context.now,
        context.sender.region or None,
    )
    return Reply(reply.text, "risk", reply.source)


async def _in_group(context: Context, message: StoredMessage) -> Outcome | None:
    """Give one and the same neutral line for danger and for the private topics, nothing more."""
    services = context.services
    private = context.danger.escalated or context.danger.failed
    if not private and message.text:
        private = await services.answers.private_topic(message.text)
    if not private:
        return None
    if services.public_url:
        invite = services.phrases.format("group.invite_link", link=services.public_url)
    else:
        invite = services.phrases.format("group.invite_direct")
    book = services.lines.book
    numbers = constant_numbers(services.phrases, book, context.sender.region)
    reply = context.say("group.neutral", fields={"invite": invite, "numbers": numbers})
    return Outcome("risk", (reply,), detail={"kind": "group"})
