"""How far a parent's conversation about a binding is, kept encrypted beside everything else.

Called by `handlers.binding`, and by `handlers.follow` after a class's QR code was scanned.
"""

from dataclasses import dataclass
from datetime import timedelta

from bot.core.clock import epoch_ms
from bot.core.messages import Reply
from bot.services.handling import Context
from bot.services.remembered import BESIDE

KIND = "binding"
VALID = timedelta(minutes=30)
PURPOSE = "contact.pending"


@dataclass(frozen=True, slots=True)
class Talk:
    """How far the conversation is; empty what has not been said yet.

    Args:
        shared: the relations of those who share the phone, once that was asked.
    """

    child: str = ""
    relation: str = ""
    phone: str = ""
    shared: tuple[str, ...] = ()

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
        return cls(opened["child"], kept["relation"], opened["phone"], tuple(kept["shared"]))

    def kept(self, context: Context) -> dict[str, object]:
        """Return what is stored until the next message."""
        ring = context.services.ring
        return {
            "kind": KIND,
            "until": epoch_ms(context.now + VALID),
            "child": ring.encrypt(self.child, purpose=PURPOSE) if self.child else "",
            "phone": ring.encrypt(self.phone, purpose=PURPOSE) if self.phone else "",
            "relation": self.relation,
            "shared": list(self.shared),
        }


def invite(context: Context) -> tuple[Reply, dict[str, object]]:
    """Return what is said after a class's QR code was scanned, and what is kept for the answer."""
    return context.say("binding.invite"), Talk().kept(context)
