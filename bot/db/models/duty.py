"""How the roster is made: patterns, absences, swaps; and drills, which prove that it works."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Date, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from bot.db.base import Base
from bot.db.types import EncryptedText, Id, Json, UtcDateTime

ASKED, AGREED, APPROVED, REFUSED = "asked", "agreed", "approved", "refused"
RUNNING, PASSED, FAILED, STOPPED = "running", "passed", "failed", "stopped"


class ShiftPattern(Base):
    """A repeating piece of a roster: who, on which kinds of day, from when to when.

    `days` holds ISO weekdays 1–7; `on_holidays` and `on_makeup_days` say whether it counts on
    public holidays and on make-up workdays, whatever their weekday. `wakes` is as in `Shift`.
    Minutes count from midnight in Shanghai; an end before the start is the next morning.
    """

    __tablename__ = "shift_pattern"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    place_id: Mapped[int] = mapped_column(ForeignKey("place.id"), index=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    tier: Mapped[str] = mapped_column(String(16))
    days: Mapped[list[int]] = mapped_column(Json)
    on_holidays: Mapped[bool]
    on_makeup_days: Mapped[bool]
    start_minute: Mapped[int]
    end_minute: Mapped[int]
    wakes: Mapped[bool] = mapped_column(default=True)
    first_day: Mapped[date] = mapped_column(Date)
    last_day: Mapped[date | None] = mapped_column(Date)
    written_until: Mapped[date | None] = mapped_column(Date)
    made_by: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    row_version: Mapped[int] = mapped_column(default=1)


class Absence(Base):
    """A time in which somebody is not on duty, whatever the pattern says."""

    __tablename__ = "absence"
    __table_args__ = (Index("ix_absence_staff_id_starts_at", "staff_id", "starts_at"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    kind: Mapped[str] = mapped_column(String(16))
    made_by: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ShiftSwap(Base):
    """One shift given to somebody else: asked, agreed to by them, approved by its keeper."""

    __tablename__ = "shift_swap"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    shift_id: Mapped[int] = mapped_column(ForeignKey("shift.id"), index=True)
    from_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    to_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    state: Mapped[str] = mapped_column(String(12), default=ASKED)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    agreed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    settled_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))


class Drill(Base):
    """A practice alarm through the real queue, and what came of it, clock by clock."""

    __tablename__ = "drill"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    place_id: Mapped[int] = mapped_column(ForeignKey("place.id"), index=True)
    case_id: Mapped[int | None] = mapped_column(ForeignKey("risk_case.id"))
    level: Mapped[str] = mapped_column(String(2))
    started_by: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(String(12), default=RUNNING)
    report: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)


class PushSubscription(Base):
    """A browser that may be woken; both the address and the keys are secrets."""

    __tablename__ = "push_subscription"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), index=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    address: Mapped[str] = mapped_column(EncryptedText("push_subscription.address"))
    keys: Mapped[str] = mapped_column(EncryptedText("push_subscription.keys"))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    failed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
