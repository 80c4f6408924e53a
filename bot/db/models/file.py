"""The file of a case: forms, people told, attachments, plans, follow-ups, reports, calls."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bot.db.base import Base
from bot.db.types import EncryptedJson, EncryptedText, Id, Json, UtcDateTime

DRAFT, SIGNED = "draft", "signed"
DUE, DONE, CANCELLED = "due", "done", "cancelled"


class FormDefinition(Base):
    """One version of a form as a tenant wants it; without one the packaged form counts."""

    __tablename__ = "form_definition"
    __table_args__ = (UniqueConstraint("place_id", "kind", "version"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    place_id: Mapped[int] = mapped_column(ForeignKey("place.id"))
    kind: Mapped[str] = mapped_column(String(24))
    version: Mapped[int]
    fields: Mapped[list[Any]] = mapped_column(Json)
    made_by: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)


class CaseForm(Base):
    """One filled-in form; a signed one is never changed, `amends_id` points to what it adds to.

    `fields` is a copy of the definition it was filled in by, so that it can be read for ever.
    """

    __tablename__ = "case_form"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("risk_case.id"), index=True)
    kind: Mapped[str] = mapped_column(String(24))
    definition_id: Mapped[int | None] = mapped_column(ForeignKey("form_definition.id"))
    fields: Mapped[list[Any]] = mapped_column(Json, default=list)
    answers: Mapped[dict[str, Any]] = mapped_column(EncryptedJson("case_form.answers"))
    state: Mapped[str] = mapped_column(String(12), default=DRAFT)
    author_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    amends_id: Mapped[int | None] = mapped_column(ForeignKey("case_form.id"))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    signed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    row_version: Mapped[int] = mapped_column(default=1)


class Told(Base):
    """Who was told about a case, how, in which words, and what they said; never overwritten."""

    __tablename__ = "told"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("risk_case.id"), index=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    who: Mapped[str] = mapped_column(String(24))
    guardian_id: Mapped[int | None] = mapped_column(ForeignKey("guardian.id"))
    name: Mapped[str] = mapped_column(EncryptedText("told.name"))
    way: Mapped[str] = mapped_column(String(16))
    words: Mapped[str] = mapped_column(EncryptedText("told.words"))
    answer: Mapped[str] = mapped_column(EncryptedText("told.answer"))
    reached: Mapped[bool]


class Attachment(Base):
    """A file of a case, encrypted whole (base64); read only when somebody opens it.

    `media_type` is what its bytes are, not what they claim; `digest` is their SHA-256.
    """

    __tablename__ = "attachment"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("risk_case.id"), index=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    name: Mapped[str] = mapped_column(EncryptedText("attachment.name"))
    media_type: Mapped[str] = mapped_column(String(80))
    size: Mapped[int]
    digest: Mapped[str] = mapped_column(String(64))
    content: Mapped[str] = mapped_column(EncryptedText("attachment.content"), deferred=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class CarePlan(Base):
    """一生一策: what is done for one child, who answers for it, and when it is looked at again."""

    __tablename__ = "care_plan"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("risk_case.id"), index=True)
    child_id: Mapped[int | None] = mapped_column(ForeignKey("child.id"), index=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    goal: Mapped[str] = mapped_column(EncryptedText("care_plan.goal"))
    steps: Mapped[str] = mapped_column(EncryptedText("care_plan.steps"))
    review_at: Mapped[datetime] = mapped_column(UtcDateTime)
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    row_version: Mapped[int] = mapped_column(default=1)


class FollowUp(Base):
    """A visit or a call that is due: 24 hours, 1 week, 1, 3, 6 months, or a plan's own date."""

    __tablename__ = "follow_up"
    __table_args__ = (
        UniqueConstraint("case_id", "kind", "due_at"),
        Index("ix_follow_up_state_due_at", "state", "due_at"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("risk_case.id"))
    kind: Mapped[str] = mapped_column(String(12))
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    state: Mapped[str] = mapped_column(String(12), default=DUE)
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    done_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    note: Mapped[str] = mapped_column(EncryptedText("follow_up.note"))
    row_version: Mapped[int] = mapped_column(default=1)


class Report(Base):
    """A report that the law asks for (强制报告): decided by a person, agreed to by a second.

    Source: Law on the Protection of Minors, articles 11, 39, 40; 2020 opinions, article 4.
    """

    __tablename__ = "report"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("risk_case.id"), index=True)
    addressee: Mapped[str] = mapped_column(String(16))
    basis: Mapped[str] = mapped_column(String(32))
    decided_by: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    decided_at: Mapped[datetime] = mapped_column(UtcDateTime)
    agreed_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    agreed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    made_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    words: Mapped[str] = mapped_column(EncryptedText("report.words"))
    number: Mapped[str] = mapped_column(EncryptedText("report.number"))
    officer: Mapped[str] = mapped_column(EncryptedText("report.officer"), default="")
    result: Mapped[str] = mapped_column(EncryptedText("report.result"))
    refused: Mapped[bool] = mapped_column(default=False)
    row_version: Mapped[int] = mapped_column(default=1)


class PhoneCall(Base):
    """A call from or to a person, entered by whoever held it; its case is like any other."""

    __tablename__ = "phone_call"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("risk_case.id"), index=True)
    place_id: Mapped[int] = mapped_column(ForeignKey("place.id"), index=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    direction: Mapped[str] = mapped_column(String(8), default="in")
    caller: Mapped[str] = mapped_column(EncryptedText("phone_call.caller"))
    phone: Mapped[str] = mapped_column(EncryptedText("phone_call.phone"))
    note: Mapped[str] = mapped_column(EncryptedText("phone_call.note"), default="")


class CareTask(Base):
    """What a class teacher is asked to watch and to leave alone; never why, no word of a case."""

    __tablename__ = "care_task"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("risk_case.id"), index=True)
    child_id: Mapped[int] = mapped_column(ForeignKey("child.id"), index=True)
    place_id: Mapped[int] = mapped_column(ForeignKey("place.id"), index=True)
    made_by: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    do: Mapped[str] = mapped_column(EncryptedText("care_task.do"))
    dont: Mapped[str] = mapped_column(EncryptedText("care_task.dont"))
    seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    answer: Mapped[str] = mapped_column(EncryptedText("care_task.answer"))


class Worry(Base):
    """A worry a teacher raised about a child; whoever meets it first answers for it (首接负责)."""

    __tablename__ = "worry"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(String(80), unique=True)
    case_id: Mapped[int] = mapped_column(ForeignKey("risk_case.id"), index=True)
    place_id: Mapped[int] = mapped_column(ForeignKey("place.id"), index=True)
    child_id: Mapped[int | None] = mapped_column(ForeignKey("child.id"))
    author_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    words: Mapped[str] = mapped_column(EncryptedText("worry.words"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    answered_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))


class ReadReason(Base):
    """Why somebody reads a case: asked once a day."""

    __tablename__ = "read_reason"
    __table_args__ = (UniqueConstraint("staff_id", "case_id", "day"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    case_id: Mapped[int] = mapped_column(ForeignKey("risk_case.id"), index=True)
    day: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str] = mapped_column(String(24))
    words: Mapped[str] = mapped_column(EncryptedText("read_reason.words"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
