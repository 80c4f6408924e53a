"""What keeps the service running: platform tokens, alarms, quotas, notices that await proof."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from bot.db.base import Base
from bot.db.types import EncryptedText, Id, Json, UtcDateTime

AWAITED, PROVED, UNPROVED = "awaited", "proved", "unproved"


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


class QuotaUse(Base):
    """What one scope has used of one calendar month's quota (China time), summed over processes.

    `scope` is an organisation, or a robot that shares its quota with none. `since` is the first
    count of the month; `refused_at` when the platform last said that nothing is left.
    """

    __tablename__ = "quota_use"
    __table_args__ = (Index("uq_quota_use_scope_month", "scope", "month", unique=True),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    scope: Mapped[str] = mapped_column(String(80))
    month: Mapped[str] = mapped_column(String(7))
    calls: Mapped[int] = mapped_column(default=0)
    messages: Mapped[int] = mapped_column(default=0)
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    refused_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class WorkTask(Base):
    """One chunk of a notice to staff that the platform took, and what its result said.

    `people` are staff ids of the organisation; `missed` counts by reason.
    """

    __tablename__ = "work_task"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    delivery_id: Mapped[int] = mapped_column(ForeignKey("delivery.id"), index=True)
    task_id: Mapped[str] = mapped_column(String(64))
    people: Mapped[list[str]] = mapped_column(Json)
    state: Mapped[str] = mapped_column(String(16), default=AWAITED)
    delivered: Mapped[int] = mapped_column(default=0)
    read: Mapped[int] = mapped_column(default=0)
    missed: Mapped[dict[str, int]] = mapped_column(Json, default=dict)
    sent_at: Mapped[datetime] = mapped_column(UtcDateTime)
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
