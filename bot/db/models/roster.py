"""The duty roster and the tenant's own hotlines."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Date, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bot.db.base import Base
from bot.db.types import Id, Json, UtcDateTime


class Shift(Base):
    """One person on duty for one place; `tier` is counselor, lead or district (24-hour contact).

    `wakes` False: no channel of this person can wake a phone, so the shift counts as uncovered.
    `pattern_id`: the pattern it was written from; None for one made by hand.
    """

    __tablename__ = "shift"
    __table_args__ = (Index("ix_shift_place_id_starts_at", "place_id", "starts_at"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    place_id: Mapped[int] = mapped_column(ForeignKey("place.id"))
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    tier: Mapped[str] = mapped_column(String(16), default="counselor")
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime)
    wakes: Mapped[bool] = mapped_column(default=True)
    pattern_id: Mapped[int | None] = mapped_column(ForeignKey("shift_pattern.id"))


class HotlineRow(Base):
    """A line that may be printed; `hours` as `bot.core.hotlines.parse_hours` reads them."""

    __tablename__ = "hotline"
    __table_args__ = (UniqueConstraint("number", "region"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    number: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(20))
    what: Mapped[str] = mapped_column(String(200), default="")
    region: Mapped[str] = mapped_column(String(12), default="")
    hours: Mapped[Any] = mapped_column(Json, nullable=True)
    kinds: Mapped[list[str]] = mapped_column(Json, default=list)
    last_verified: Mapped[date] = mapped_column(Date)
    source: Mapped[str] = mapped_column(String(200), default="")
    note: Mapped[str] = mapped_column(String(400), default="")
    active: Mapped[bool] = mapped_column(default=True)
