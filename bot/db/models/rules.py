"""Rule sets of the risk screen as people make them, replays, and what would change under them."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.db.base import Base
from bot.db.types import Id, Json, UtcDateTime

DRAFT, SHADOW, LIVE, RETIRED = "draft", "shadow", "live", "retired"
RUNNING, STOPPED, FINISHED, OUTDATED, BROKEN = (
    "running",
    "stopped",
    "finished",
    "outdated",
    "failed",
)
_LIVE, _SHADOW = text("state = 'live'"), text("state = 'shadow'")


class RuleSet(Base):
    """One set of rule files; without a live one the packaged rules are in force.

    `files` are the texts by name, kept as they were written; an empty mapping stands for the rules
    that ship with the release. `version` is their digest, empty while they can't be loaded, and
    `problem` says why (file, line, rule, field, code). `row_version` grows with every change, so
    that the second of two people is told. `reason` is why it was published.
    """

    __tablename__ = "rule_set"
    __table_args__ = (
        Index(
            "uq_rule_set_live",
            "state",
            unique=True,
            sqlite_where=_LIVE,
            postgresql_where=_LIVE,
        ),
        Index(
            "uq_rule_set_shadow",
            "state",
            unique=True,
            sqlite_where=_SHADOW,
            postgresql_where=_SHADOW,
        ),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    state: Mapped[str] = mapped_column(String(12), default=DRAFT)
    version: Mapped[str] = mapped_column(String(64), default="")
    based_on: Mapped[str] = mapped_column(String(64), default="")
    files: Mapped[dict[str, str]] = mapped_column(Json, deferred=True)
    problem: Mapped[dict[str, object] | None] = mapped_column(Json)
    note: Mapped[str] = mapped_column(Text, default="")
    reason: Mapped[str] = mapped_column(Text, default="")
    author: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    published_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    shadow_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    retired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    row_version: Mapped[int] = mapped_column(default=1)


class RuleReplay(Base):
    """Stored messages judged again under a rule set and under the one in force.

    `counts` is what would change; `done` of `total` messages are judged, those up to `reached` in
    the order of their ids. A replay whose rules are no longer those it began with is outdated.
    """

    __tablename__ = "rule_replay"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    rule_set_id: Mapped[int] = mapped_column(ForeignKey("rule_set.id"), index=True)
    state: Mapped[str] = mapped_column(String(12), default=RUNNING)
    days: Mapped[int]
    live_version: Mapped[str] = mapped_column(String(64))
    new_version: Mapped[str] = mapped_column(String(64))
    since: Mapped[datetime] = mapped_column(UtcDateTime)
    last_message: Mapped[int] = mapped_column(Id)
    reached: Mapped[int] = mapped_column(Id, default=0)
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int]
    counts: Mapped[dict[str, object]] = mapped_column(Json, default=dict)
    started_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class RuleChange(Base):
    """A message whose level would be another one: codes and ids, never its words.

    With a `replay_id` a replay found it; without one it came while the rule set was in shadow.
    """

    __tablename__ = "rule_change"
    __table_args__ = (
        Index("ix_rule_change_rule_set_id_id", "rule_set_id", "id"),
        Index("ix_rule_change_replay_id_id", "replay_id", "id"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    rule_set_id: Mapped[int] = mapped_column(ForeignKey("rule_set.id"))
    replay_id: Mapped[int | None] = mapped_column(ForeignKey("rule_replay.id"))
    message_id: Mapped[int] = mapped_column(ForeignKey("message.id"), index=True)
    live_level: Mapped[str] = mapped_column(String(2))
    new_level: Mapped[str] = mapped_column(String(2))
    categories: Mapped[list[str]] = mapped_column(Json)
    rule_ids: Mapped[dict[str, list[str]]] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
