"""Stored incoming messages and the assessment that was made with each."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.db.base import Base
from bot.db.types import EncryptedJson, EncryptedText, Id, Json, UtcDateTime

STORED, DONE, FAILED = "stored", "done", "failed"
_WAITING = text("state = 'stored'")


class Message(Base):
    """One incoming message, stored once under the platform's own key.

    `state` is `stored` until an outcome is written together with its replies, then `done`;
    `failed` when handling gave up and the fallback was sent. `vouched`: the platform stands for the
    words and their author. `return_address` answers this very message until `return_until`, where
    the platform gives one.
    """

    __tablename__ = "message"
    __table_args__ = (
        UniqueConstraint("channel", "account", "platform_id"),
        Index("ix_message_contact_id_id", "contact_id", "id"),
        Index("ix_message_waiting", "id", sqlite_where=_WAITING, postgresql_where=_WAITING),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    channel: Mapped[str] = mapped_column(String(16))
    account: Mapped[str] = mapped_column(String(64))
    platform_id: Mapped[str] = mapped_column(String(200))
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id"))
    kind: Mapped[str] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(EncryptedText("message.text"))
    media_id: Mapped[str] = mapped_column(EncryptedText("message.media_id"))
    scene: Mapped[str] = mapped_column(String(128), default="")
    group: Mapped[str | None] = mapped_column("group_id", String(200))
    vouched: Mapped[bool] = mapped_column(default=True)
    return_address: Mapped[str | None] = mapped_column(EncryptedText("message.return_address"))
    return_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime] = mapped_column(UtcDateTime)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    answerable: Mapped[bool] = mapped_column(default=True)
    state: Mapped[str] = mapped_column(String(16), default=STORED)
    handler: Mapped[str] = mapped_column(String(32), default="")
    attempts: Mapped[int] = mapped_column(default=0)
    level: Mapped[str] = mapped_column(String(2), default="0")


class Assessment(Base):
    """The judgement on one message; written in the transaction that stored it.

    `failed` means that the screen itself broke and a person is asked.
    """

    __tablename__ = "assessment"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("message.id"), unique=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id"), index=True)
    level: Mapped[str] = mapped_column(String(2))
    fresh_level: Mapped[str] = mapped_column(String(2))
    categories: Mapped[list[str]] = mapped_column(Json)
    who: Mapped[str] = mapped_column(String(4), default="")
    subject: Mapped[str] = mapped_column(String(16), default="unknown")
    spans: Mapped[list[dict[str, object]]] = mapped_column(EncryptedJson("assessment.spans"))
    reasons: Mapped[list[str]] = mapped_column(Json)
    rule_ids: Mapped[list[str]] = mapped_column(Json)
    rule_version: Mapped[str] = mapped_column(String(64))
    weak: Mapped[bool] = mapped_column(default=False)
    failed: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
