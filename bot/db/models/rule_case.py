"""Test cases of the risk rules: what people said about single judgements of the screen."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from bot.db.base import Base
from bot.db.types import EncryptedJson, EncryptedText, Id, Json, UtcDateTime

FALSE_ALARM, MISSED, WRITTEN = "false_alarm", "missed", "written"
NEW, AGREED, REJECTED = "new", "agreed", "rejected"


class RuleCase(Base):
    """A text with the level that it should have got, and whether a second person agrees.

    `found_*`, `rule_ids` and `rule_version` are what the screen said when it was marked. `place_id`
    is the desk on which it was marked. After an erasure text, turns and note are empty; the rest
    stays for the counts.
    """

    __tablename__ = "rule_case"
    __table_args__ = (Index("ix_rule_case_state_id", "state", "id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(12))
    text: Mapped[str] = mapped_column(EncryptedText("rule_case.text"))
    turns: Mapped[list[str]] = mapped_column(EncryptedJson("rule_case.turns"))
    who: Mapped[str | None] = mapped_column(String(4))
    expected_level: Mapped[str] = mapped_column(String(2))
    expected_category: Mapped[str] = mapped_column(String(8))
    found_level: Mapped[str] = mapped_column(String(2))
    found_category: Mapped[str] = mapped_column(String(8))
    rule_ids: Mapped[list[str]] = mapped_column(Json)
    rule_version: Mapped[str] = mapped_column(String(64))
    message_id: Mapped[int | None] = mapped_column(ForeignKey("message.id"), unique=True)
    case_id: Mapped[int | None] = mapped_column(ForeignKey("risk_case.id"))
    place_id: Mapped[int | None] = mapped_column(ForeignKey("place.id"))
    note: Mapped[str] = mapped_column(EncryptedText("rule_case.note"))
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(String(12), default=NEW)
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
