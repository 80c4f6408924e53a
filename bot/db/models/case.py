"""Cases: what the counselors' queue holds, and everything that happened to each."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.db.base import Base
from bot.db.types import EncryptedText, Id, Json, UtcDateTime

OPEN, ACCEPTED, CLOSED = "open", "accepted", "closed"
_NOT_CLOSED = text("state <> 'closed'")


class Case(Base):
    """One case about one contact; at most one that is not closed per contact.

    `family` and `subject` decide who is told; `tier` is how far the ladder has climbed. `priority`
    orders the cases of one level, `priority_reasons` holds the codes behind it. `judged_level` is a
    person's judgement beside the machine's `level`, `second_id` a second counselor. `guardian_at`
    is when a guardian was told; with `guardians_barred` none may be, whatever the category.
    """

    __tablename__ = "risk_case"
    __table_args__ = (
        Index(
            "uq_risk_case_open_contact",
            "contact_id",
            unique=True,
            sqlite_where=_NOT_CLOSED,
            postgresql_where=_NOT_CLOSED,
        ),
        Index("ix_risk_case_state_opened_at", "state", "opened_at"),
        Index("ix_risk_case_contact_id_id", "contact_id", "id"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id"))
    place_id: Mapped[int | None] = mapped_column(ForeignKey("place.id"))
    message_id: Mapped[int | None] = mapped_column(ForeignKey("message.id"))
    origin: Mapped[str] = mapped_column(String(16), default="screen")
    level: Mapped[str] = mapped_column(String(2))
    family: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(16), default="unknown")
    speaker: Mapped[str] = mapped_column(String(24), default="unknown")
    state: Mapped[str] = mapped_column(String(16), default=OPEN)
    tier: Mapped[str] = mapped_column(String(16), default="")
    step: Mapped[int] = mapped_column(default=0)
    phone_now: Mapped[bool] = mapped_column(default=False)
    uncovered: Mapped[bool] = mapped_column(default=False)
    drill: Mapped[bool] = mapped_column(default=False)
    priority: Mapped[int] = mapped_column(SmallInteger, default=0)
    priority_reasons: Mapped[list[str]] = mapped_column(Json, default=list)
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    raised_at: Mapped[datetime] = mapped_column(UtcDateTime)
    accepted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    accepted_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    first_words_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    close_reason: Mapped[str | None] = mapped_column(String(32))
    close_note: Mapped[str | None] = mapped_column(EncryptedText("risk_case.close_note"))
    child_id: Mapped[int | None] = mapped_column(ForeignKey("child.id"), index=True)
    second_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    judged_level: Mapped[str | None] = mapped_column(String(2))
    judged_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    judged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    guardian_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    guardians_barred: Mapped[bool] = mapped_column(default=False)

    @property
    def judged_now(self) -> str | None:
        """Return a person's judgement; None where the case was raised after it: that is older."""
        old = self.judged_at is not None and self.judged_at < self.raised_at
        return None if old else self.judged_level


class CaseEvent(Base):
    """One line of a case's timeline; `data` holds codes and ids, never a person's words."""

    __tablename__ = "case_event"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("risk_case.id"), index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    kind: Mapped[str] = mapped_column(String(32))
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    message_id: Mapped[int | None] = mapped_column(ForeignKey("message.id"))
    data: Mapped[dict[str, object]] = mapped_column(Json, default=dict)


class DeskEvent(Base):
    """A change that open pages are told of; ids only. Kept a day, for `Last-Event-ID` replay."""

    __tablename__ = "desk_event"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    kind: Mapped[str] = mapped_column(String(32))
    place_id: Mapped[int | None] = mapped_column(ForeignKey("place.id"))
    case_id: Mapped[int | None] = mapped_column(ForeignKey("risk_case.id"))
