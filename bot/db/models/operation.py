"""What keeps the service running: platform tokens and alarms for the operator."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from bot.db.base import Base
from bot.db.types import EncryptedText, Id, UtcDateTime


class PlatformToken(Base):
    """An access token shared by all processes; `refreshing_until` is the lock on fetching one."""

    __tablename__ = "platform_token"

    name: Mapped[str] = mapped_column(String(120), primary_key=True)
    token: Mapped[str | None] = mapped_column(EncryptedText("platform_token.token"))
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    refreshing_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Alarm(Base):
    """Something an operator must look at; one open row per key, counted."""

    __tablename__ = "alarm"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(String(120), unique=True)
    kind: Mapped[str] = mapped_column(String(48))
    count: Mapped[int] = mapped_column(default=1)
    first_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)
    cleared_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
