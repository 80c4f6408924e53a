"""Background work: jobs, the lanes they run in, and schedules. Times are epoch milliseconds.

The claim statements of `bot.jobs` compare and add these times in SQL on both engines, which is why
they are plain integers here.
"""

from typing import Any

from sqlalchemy import BigInteger, Float, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.db.base import Base
from bot.db.types import Id, Json

READY, SCHED, LEASED, DONE, DEAD, UNKNOWN, CANCELLED = (
    "ready",
    "sched",
    "leased",
    "done",
    "dead",
    "unknown",
    "cancelled",
)


# Compared byte by byte on both engines, so that a prefix of keys is a range of the index.
_Key = String(160).with_variant(String(160, collation="C"), "postgresql")
_LaneName = String(80).with_variant(String(80, collation="C"), "postgresql")


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class Job(Base):
    """One piece of work; the payload holds ids, never a person's words.

    `run_at` is when it may start, `created_at` when it was first queued, `done_at` when it was done
    or cancelled. `owner` and `lease_until` name the worker that holds it; an expired lease leaves
    the owner in place, so that its late acknowledgement still counts if nobody took over.
    """

    __tablename__ = "job"
    __table_args__ = (
        Index("ix_job_ready", "lane", "prio", "id", **_where("state = 'ready'")),
        Index("ix_job_sched", "run_at", **_where("state = 'sched'")),
        Index("ix_job_lease", "lease_until", **_where("state = 'leased'")),
        Index("ix_job_buried", "state", "id", **_where("state IN ('dead', 'unknown')")),
        Index("ix_job_done", "done_at", **_where("done_at IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    lane: Mapped[str] = mapped_column(_LaneName)
    kind: Mapped[str] = mapped_column(String(48))
    key: Mapped[str] = mapped_column(_Key, unique=True)
    prio: Mapped[int] = mapped_column(default=5)
    state: Mapped[str] = mapped_column(String(12))
    run_at: Mapped[int] = mapped_column(BigInteger)
    attempts: Mapped[int] = mapped_column(default=0)
    owner: Mapped[str | None] = mapped_column(String(80))
    lease_until: Mapped[int | None] = mapped_column(BigInteger)
    payload: Mapped[dict[str, object]] = mapped_column(Json, default=dict)
    error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[int] = mapped_column(BigInteger)
    done_at: Mapped[int | None] = mapped_column(BigInteger)


class Lane(Base):
    """One sending account with its limit, as GCRA: `tat` is the theoretical arrival time (ms).

    `per_second` 0 means no limit: the row is there for `paused_until` only.
    """

    __tablename__ = "lane"

    name: Mapped[str] = mapped_column(_LaneName, primary_key=True)
    per_second: Mapped[float] = mapped_column(Float)
    burst: Mapped[int]
    tat: Mapped[float] = mapped_column(Float, default=0.0)
    paused_until: Mapped[int] = mapped_column(BigInteger, default=0)


class Schedule(Base):
    """A recurring job; `next_at` is claimed by whoever is first."""

    __tablename__ = "schedule"

    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    cron: Mapped[str] = mapped_column(String(80))
    tz: Mapped[str] = mapped_column(String(40), default="Asia/Shanghai")
    kind: Mapped[str] = mapped_column(String(48))
    payload: Mapped[dict[str, object]] = mapped_column(Json, default=dict)
    misfire_seconds: Mapped[int] = mapped_column(default=300)
    next_at: Mapped[int] = mapped_column(BigInteger)
    enabled: Mapped[bool] = mapped_column(default=True)
