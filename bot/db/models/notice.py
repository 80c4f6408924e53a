"""Notices: what a teacher tells the guardians of a class, and what becomes of it child by child."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.db.base import Base
from bot.db.types import EncryptedText, Id, Json, UtcDateTime

DRAFT, EXPANDING, SENT, WITHDRAWN = "draft", "expanding", "sent", "withdrawn"
_OPEN = text("confirmed_at IS NULL")


class Notice(Base):
    """One notice to the guardians of all children of a place.

    `key` makes writing it twice (a double click, a repeated frame) one notice. `counts` is what
    the preview said (children, guardians, by way). While it expands, `expanded` is the last child
    whose guardians have got their deliveries.
    """

    __tablename__ = "notice"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(String(120), unique=True)
    kind: Mapped[str] = mapped_column(String(12), default="notice")
    author_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"), index=True)
    place_id: Mapped[int] = mapped_column(ForeignKey("place.id"), index=True)
    course_id: Mapped[int | None] = mapped_column(ForeignKey("course.id"))
    title: Mapped[str] = mapped_column(EncryptedText("notice.title"))
    body: Mapped[str] = mapped_column(EncryptedText("notice.body"))
    confirm: Mapped[bool] = mapped_column(default=True)
    state: Mapped[str] = mapped_column(String(12), default=DRAFT)
    counts: Mapped[dict[str, int]] = mapped_column(Json, default=dict)
    expanded: Mapped[int] = mapped_column(Id, default=0)
    rounds: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    row_version: Mapped[int] = mapped_column(default=1)


class NoticeChild(Base):
    """One child a notice concerns; any one of its guardians confirms for it, once."""

    __tablename__ = "notice_child"
    __table_args__ = (
        UniqueConstraint("notice_id", "child_id"),
        Index(
            "ix_notice_child_open",
            "child_id",
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    notice_id: Mapped[int] = mapped_column(ForeignKey("notice.id"))
    child_id: Mapped[int] = mapped_column(ForeignKey("child.id"))
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    confirmed_by: Mapped[int | None] = mapped_column(ForeignKey("contact.id"))
    way: Mapped[str] = mapped_column(String(12), default="")


class NoticeFeedback(Base):
    """What a guardian wrote back about a notice, for its author; a danger never becomes one.

    `message_id`: the incoming message that was screened; it makes writing twice one.
    """

    __tablename__ = "notice_feedback"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    notice_id: Mapped[int] = mapped_column(ForeignKey("notice.id"), index=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id"), index=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("message.id"), unique=True)
    text: Mapped[str] = mapped_column(EncryptedText("notice_feedback.text"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    read_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    read_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
