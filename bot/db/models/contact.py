"""Contacts: people on a channel, what they agreed to, and their conversation with the service."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.db.base import Base
from bot.db.types import EncryptedText, Id, Json, UtcDateTime

_BOUND = text("guardian_id IS NOT NULL")


class Contact(Base):
    """A person on one channel account, with the state of the conversation held with them.

    `holder_id` set: a counselor holds the conversation and the bot is silent (the screen goes on).
    `guardian_id` set: it was proved whose contact it is; a guardian has one on each account.
    `stopped_at`: nothing is sent unasked; the two others stop one kind each.
    """

    __tablename__ = "contact"
    __table_args__ = (
        UniqueConstraint("channel", "account", "external_id"),
        Index(
            "uq_contact_guardian_id_channel_account",
            "guardian_id",
            "channel",
            "account",
            unique=True,
            sqlite_where=_BOUND,
            postgresql_where=_BOUND,
        ),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    channel: Mapped[str] = mapped_column(String(16))
    account: Mapped[str] = mapped_column(String(64))
    external_id: Mapped[str] = mapped_column(String(200))
    recipient: Mapped[str] = mapped_column(String(200), default="")
    place_id: Mapped[int | None] = mapped_column(ForeignKey("place.id"))
    guardian_id: Mapped[int | None] = mapped_column(ForeignKey("guardian.id"))
    who: Mapped[str | None] = mapped_column(String(4))
    name: Mapped[str | None] = mapped_column(EncryptedText("contact.name"))
    emergency_contact: Mapped[str | None] = mapped_column(
        EncryptedText("contact.emergency_contact")
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    greeted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    following: Mapped[bool] = mapped_column(default=True)
    stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    courses_stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    notices_stopped_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_incoming_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    window_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    window_limit: Mapped[int] = mapped_column(default=0)
    window_used: Mapped[int] = mapped_column(default=0)
    holder_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    held_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    pending: Mapped[dict[str, object] | None] = mapped_column(Json)
    pending_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Consent(Base):
    """One consent given, withdrawn or refused: `mental_health`, `school`, `district`.

    `version` is that of the words that were agreed to; `way` where (`chat`, `page`). `child_id`:
    given by a guardian for a child. One that is `refused` was never given: it ends when it begins.
    """

    __tablename__ = "consent"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    version: Mapped[int]
    given_at: Mapped[datetime] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    way: Mapped[str] = mapped_column(String(12), default="chat", server_default="chat")
    child_id: Mapped[int | None] = mapped_column(ForeignKey("child.id"))
    refused: Mapped[bool] = mapped_column(default=False, server_default=false())
