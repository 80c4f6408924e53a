"""The desk at work: who is there, which case is offered to whom, and what is half written."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.db.base import Base
from bot.db.types import EncryptedText, Id, Json, UtcDateTime

READY, AWAY = "ready", "away"
TAKEN, DECLINED, EXPIRED, LEFT, OVER = "taken", "declined", "expired", "left", "over"
_RUNNING = text("ended_at IS NULL")


class Presence(Base):
    """Whether a counselor takes cases now; `seen_at` is the last sign of life of their page."""

    __tablename__ = "presence"

    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    state: Mapped[str] = mapped_column(String(12))
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


class CaseOffer(Base):
    """A case offered to one person until a moment; one offer runs per case and per person.

    `ended_as`: `taken`, `declined`, `expired`, `left` (the person's page went away) or `over`
    (somebody else took the case, or it was closed).
    """

    __tablename__ = "case_offer"
    __table_args__ = (
        Index(
            "uq_case_offer_running_case",
            "case_id",
            unique=True,
            sqlite_where=_RUNNING,
            postgresql_where=_RUNNING,
        ),
        Index(
            "uq_case_offer_running_staff",
            "staff_id",
            unique=True,
            sqlite_where=_RUNNING,
            postgresql_where=_RUNNING,
        ),
        Index("ix_case_offer_case_id", "case_id"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("risk_case.id"))
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_as: Mapped[str] = mapped_column(String(12), default="")


class Draft(Base):
    """What somebody has typed and not sent yet: a lost page or an ended sign-in loses nothing.

    `field` names the place of it, such as `case:12:note`.
    """

    __tablename__ = "draft"
    __table_args__ = (UniqueConstraint("staff_id", "field"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    field: Mapped[str] = mapped_column(String(80))
    text: Mapped[str] = mapped_column(EncryptedText("draft.text"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class LevelWords(Base):
    """What a place calls the levels; the nearest one upwards counts.

    `words` maps the codes 1, 2, 3, 3! to words such as 三级; which one is the highest is said
    beside it on every screen (DOMAIN §2.3).
    """

    __tablename__ = "level_words"

    place_id: Mapped[int] = mapped_column(ForeignKey("place.id"), primary_key=True)
    words: Mapped[dict[str, str]] = mapped_column(Json)
    made_by: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
