"""Danger: the fixed crisis reply 1:1, and one neutral line where it was said in a group.

Below the reply to a worry of level 2 stands by number what the handbook has to it.
The case was opened and people called when the message was stored; here only words are chosen.
"""

import dataclasses
from typing import cast

from bot.core.crisis import Level, compose, family_of, speaker_of
from bot.core.messages import Outcome, Reply
from bot.services.attention import crisis_again
from bot.services.entries_below import with_entries
from bot.services.group import neutral_line
from bot.services.handling import Context, StoredMessage


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Answer a dangerous message."""
    danger = context.danger
    if message.group is not None:
        return _in_group(context, message)
    if danger.failed:
        reply = context.say("fallback.screen_failed", kind="risk")
        return Outcome("risk", (reply,), detail={"kind": "risk"})
    if danger.escalated and not _left_to_person(context):
        detail = {"kind": "risk", "level": danger.fresh}
        outcome = Outcome("risk", (_crisis(context),), detail=detail)
        return await with_entries(context, message, outcome)
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


def _in_group(context: Context, message: StoredMessage) -> Outcome | None:
    """Say the neutral line in the group; the crisis reply goes to the person alone, if it can."""
    danger = context.danger
    if not danger.escalated and not danger.failed:
        return None
    replies = [neutral_line(context, message)]
    alone = danger.escalated and not danger.failed and context.sender.reachable
    if alone and not _left_to_person(context):
        replies.append(dataclasses.replace(_crisis(context), private=True))
    return Outcome("risk", tuple(replies), detail={"kind": "group"})
