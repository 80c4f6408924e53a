"""Deliveries: one sentence to one person over one channel, with its receipt."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.db.base import Base
from bot.db.types import EncryptedText, Id, UtcDateTime

QUEUED, SENDING, ACCEPTED, READ, CONFIRMED, FAILED, UNREACHABLE, UNKNOWN, WITHDRAWN = (
    "queued",
    "sending",
    "accepted",
    "read",
    "confirmed",
    "failed",
    "unreachable",
    "unknown",
    "withdrawn",
)
PASSIVE, API, ALERT = "passive", "api", "alert"
_HANDED_OVER = text("state = 'sending'")
_OF_NOTICE = text("notice_id IS NOT NULL")


class Delivery(Base):
    """What is said to one contact, or posted to one alert channel.

    `route` is `passive` (in the callback's answer), `api` (the channel's own interface) or `alert`
    (a group webhook, `target` names it; its body never holds a parent's words). `group` is the
    platform's conversation for a reply in a parents' group; None: 1:1. `doubts` counts the calls
    that the platform may have taken without saying so.

    A notice has one delivery per guardian and round (`notice_id`, `guardian_id`); its words stand
    in the notice and `body` is empty. `contact_id` is None when no way leads to that guardian.
    `unknown`: a notice whose sending broke off; it is shown to its author and not sent again.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        Index(
            "ix_delivery_handed_over",
            "created_at",
            sqlite_where=_HANDED_OVER,
            postgresql_where=_HANDED_OVER,
        ),
        Index(
            "ix_delivery_notice_id_state",
            "notice_id",
            "state",
            sqlite_where=_OF_NOTICE,
            postgresql_where=_OF_NOTICE,
        ),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(String(120), unique=True)
    contact_id: Mapped[int | None] = mapped_column(ForeignKey("contact.id"), index=True)
    message_id: Mapped[int | None] = mapped_column(ForeignKey("message.id"), index=True)
    case_id: Mapped[int | None] = mapped_column(ForeignKey("risk_case.id"), index=True)
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    route: Mapped[str] = mapped_column(String(16))
    target: Mapped[str] = mapped_column(String(64), default="")
    group: Mapped[str | None] = mapped_column("group_id", String(200))
    kind: Mapped[str] = mapped_column(String(16))
    source: Mapped[str] = mapped_column(String(160), default="")
    body: Mapped[str] = mapped_column(EncryptedText("delivery.body"))
    state: Mapped[str] = mapped_column(String(16), default=QUEUED)
    reason: Mapped[str] = mapped_column(String(64), default="")
    doubts: Mapped[int] = mapped_column(default=0)
    receipt: Mapped[str] = mapped_column(String(128), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    notice_id: Mapped[int | None] = mapped_column(ForeignKey("notice.id"))
    guardian_id: Mapped[int | None] = mapped_column(ForeignKey("guardian.id"))
    read_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
