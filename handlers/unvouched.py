"""Wishes with consequences, written over a way that proves nobody's identity: refused, with reason.

The signature of a DingTalk HTTP callback, or of an unencrypted WeChat one, does not cover the body:
somebody who has seen one could write in another's name. Stands before the handlers that erase, stop
or record something; questions, and the wish for a person, are answered as always.
"""

from bot.core.commands import means, numbered, spoken
from bot.core.messages import Outcome
from bot.services.handling import Context, StoredMessage

COMMANDS = (
    "erase",
    "erase_confirm",
    "stop",
    "stop_courses",
    "stop_notices",
    "resume",
    "resume_courses",
    "resume_notices",
    "emergency",
    "bind",
    "unbind",
    "my_data",
)
NUMBERED = ("consent_give", "consent_refuse", "consent_withdraw")
# What an earlier message, perhaps a proven one, has asked for.
PENDING = frozenset({"erasure", "emergency"})


async def handle(context: Context, message: StoredMessage) -> Outcome | None:
    """Refuse what only the person may ask for."""
    if message.vouched or not spoken(message.kind):
        return None
    sender = context.sender
    asked = sender.pending.get("kind") in PENDING and not sender.pending_expired
    commanded = any(means(command, message.text) for command in COMMANDS)
    if asked or commanded or numbered(NUMBERED, message.text) is not None:
        return context.outcome("unvouched", "service.unvouched")
    return None
