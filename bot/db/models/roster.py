"""The duty roster and the tenant's own hotlines."""

from datetime import date, datetime

from sqlalchemy import Date, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from bot.db.base import Base
from bot.db.types import Id, Json, UtcDateTime


class Shift(Base):
    """One person on duty for one place; `tier` is counselor, lead or district (24-hour contact).

    `wakes` False: no channel of this person can wake a phone, so the shift counts as uncovered.
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


class HotlineRow(Base):
    """A public or own line that may be printed; `hours` is `24h` or weekly intervals."""

    __tablename__ = "hotline"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    number: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    what: Mapped[str] = mapped_column(String(200), default="")
    region: Mapped[str] = mapped_column(String(40), default="")
    hours: Mapped[dict[str, object]] = mapped_column(Json, default=dict)
    kinds: Mapped[list[str]] = mapped_column(Json, default=list)
    last_verified: Mapped[date] = mapped_column(Date)
    source: Mapped[str] = mapped_column(String(200), default="")
    active: Mapped[bool] = mapped_column(default=True)
