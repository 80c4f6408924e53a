"""Courses and events that families can sign up for."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bot.db.base import Base
from bot.db.types import Id, UtcDateTime

COURSE, EVENT = "course", "event"
DRAFT, OPEN, CLOSED, CANCELLED = "draft", "open", "closed", "cancelled"
ENROLLED, WAITING, GIVEN_UP = "enrolled", "waiting", "cancelled"


class Course(Base):
    """One course or one event, offered to everybody at and below its place.

    `places` is how many may come, None for no limit; `taken` how many are enrolled now, changed in
    the same statement that checks it. The texts are public.
    """

    __tablename__ = "course"
    __table_args__ = (
        CheckConstraint("places IS NULL OR taken <= places", name="taken"),
        Index("ix_course_state_starts_at", "state", "starts_at"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    place_id: Mapped[int] = mapped_column(ForeignKey("place.id"), index=True)
    title: Mapped[str] = mapped_column(String(80))
    summary: Mapped[str] = mapped_column(Text)
    speaker: Mapped[str] = mapped_column(String(80), default="")
    stages: Mapped[str] = mapped_column(String(8), default="")
    where: Mapped[str] = mapped_column("location", String(120), default="")
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    closes_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    places: Mapped[int | None]
    taken: Mapped[int] = mapped_column(default=0)
    state: Mapped[str] = mapped_column(String(12), default=DRAFT)
    author_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    row_version: Mapped[int] = mapped_column(default=1)


class Enrolment(Base):
    """One contact's place, or place in the waiting list, at one course; one row per contact.

    `waits_from` orders the waiting list; `told_at` when they were told that a place came free.
    """

    __tablename__ = "enrolment"
    __table_args__ = (
        UniqueConstraint("course_id", "contact_id"),
        Index("ix_enrolment_course_id_state_waits_from", "course_id", "state", "waits_from"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    course_id: Mapped[int] = mapped_column(ForeignKey("course.id"))
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id"), index=True)
    state: Mapped[str] = mapped_column(String(12))
    waits_from: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    told_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
