"""How far a parent's conversation about a binding is, kept encrypted beside everything else.

Called by `handlers.binding`, and by `handlers.follow` after a class's QR code was scanned.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from bot.core.clock import epoch_ms
from bot.core.messages import Outcome, Reply
from bot.core.phrases import BYTE_LIMIT
from bot.services.handling import Context
from bot.services.remembered import BESIDE

KIND = "binding"
VALID = timedelta(minutes=30)
PURPOSE = "contact.pending"


@dataclass(frozen=True, slots=True)
class Talk:
    """How far the conversation is; empty what has not been said yet.

    Args:
        asked: the relation was asked about once more: several share the phone.
    """

    child: str = ""
    relation: str = ""
    phone: str = ""
    asked: bool = False

    @classmethod
    def of(cls, context: Context) -> "Talk | None":
        """Return the conversation that is going on, None when there is none."""
        kept = context.sender.pending.get(BESIDE)
        if not isinstance(kept, dict) or kept.get("kind") != KIND:
            return None
        if kept.get("until", 0) <= epoch_ms(context.now):
            return None
        opened = {
            key: context.services.ring.decrypt(kept[key], purpose=PURPOSE) if kept[key] else ""
            for key in ("child", "phone")
        }
        return cls(opened["child"], kept["relation"], opened["phone"], bool(kept.get("asked")))

    def kept(self, context: Context) -> dict[str, object]:
        """Return what is stored until the next message."""
        ring = context.services.ring
        return {
            "kind": KIND,
            "until": epoch_ms(context.now + VALID),
            "child": ring.encrypt(self.child, purpose=PURPOSE) if self.child else "",
            "phone": ring.encrypt(self.phone, purpose=PURPOSE) if self.phone else "",
            "relation": self.relation,
            "asked": self.asked,
        }


def invite(context: Context) -> tuple[Reply, dict[str, object]]:
    """Return what is said after a class's QR code was scanned, and what is kept for the answer."""
    return context.say("binding.invite"), Talk().kept(context)


def joined(first: Reply, outcome: Outcome) -> Outcome:
    """Put words before an outcome's first reply, as one message where it is not too long.

    What comes a second later may meet what was written then, and WeChat takes few messages.
    """
    then, *rest = outcome.replies
    text = f"{first.text}\n\n{then.text}"
    if len(text.encode()) > BYTE_LIMIT:
        return replace(outcome, replies=(first, *outcome.replies))
    whole = replace(first, text=text, source=f"{first.source}+{then.source}")
    return replace(outcome, replies=(whole, *rest))
