"""Signed links to parents' pages, and what parents ask for on them."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from bot.db.base import Base
from bot.db.types import EncryptedText, Id, UtcDateTime


class Link(Base):
    """One address `/p/…` for one person and one purpose (`mine`, `notice`).

    Only keyed hashes are kept: of the address (`token_key`) and of the browser that opened it
    first (`device_key`), which alone may open it again.
    """

    __tablename__ = "link"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    token_key: Mapped[str] = mapped_column(String(64), unique=True)
    purpose: Mapped[str] = mapped_column(String(12))
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id"), index=True)
    notice_id: Mapped[int | None] = mapped_column(ForeignKey("notice.id"))
    device_key: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    opened_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class DataRequest(Base):
    """What somebody asked to be done with their data, and the answer in writing.

    Source: Personal Information Protection Law, articles 44–50. `due_at` is the end of the time in
    which it has to be answered.
    """

    __tablename__ = "data_request"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id"), index=True)
    place_id: Mapped[int | None] = mapped_column(ForeignKey("place.id"))
    kind: Mapped[str] = mapped_column(String(12))
    state: Mapped[str] = mapped_column(String(12))
    words: Mapped[str] = mapped_column(EncryptedText("data_request.words"))
    answer: Mapped[str] = mapped_column(EncryptedText("data_request.answer"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
