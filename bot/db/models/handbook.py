"""Gap tickets: questions that the handbook could not answer."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from bot.db.base import Base
from bot.db.types import EncryptedText, Id, Json, UtcDateTime


class GapTicket(Base):
    """One unanswered question, for the editors; `candidates` are entry ids with their scores."""

    __tablename__ = "gap_ticket"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("message.id"), unique=True)
    question: Mapped[str] = mapped_column(EncryptedText("gap_ticket.question"))
    candidates: Mapped[list[dict[str, object]]] = mapped_column(Json, default=list)
    state: Mapped[str] = mapped_column(String(16), default="open")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
