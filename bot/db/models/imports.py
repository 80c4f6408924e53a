"""Imports of people: what a file or a directory said, row by row, and what was made of it."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from bot.db.base import Base
from bot.db.types import EncryptedJson, EncryptedText, Id, Json, UtcDateTime

READING, CHECKED, APPLYING, APPLIED, UNDOING, UNDONE, FAILED = (
    "reading",
    "checked",
    "applying",
    "applied",
    "undoing",
    "undone",
    "failed",
)


class ImportBatch(Base):
    """One import of children and guardians into a school: read, checked, applied, undone.

    `done` of `total` rows are worked through in the present step. `counts` is by row state and
    code. `problem` is a code, when the whole file can't be read.
    """

    __tablename__ = "import_batch"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(12))
    place_id: Mapped[int] = mapped_column(ForeignKey("place.id"), index=True)
    name: Mapped[str] = mapped_column(EncryptedText("import_batch.name"))
    digest: Mapped[str] = mapped_column(String(64), default="")
    state: Mapped[str] = mapped_column(String(12), default=READING)
    problem: Mapped[str] = mapped_column(String(48), default="")
    total: Mapped[int] = mapped_column(default=0)
    done: Mapped[int] = mapped_column(default=0)
    counts: Mapped[dict[str, int]] = mapped_column(Json, default=dict)
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    applied_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    undone_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    row_version: Mapped[int] = mapped_column(default=1)


class ImportRow(Base):
    """One row; `number` is the one that the file's reader sees.

    `codes` say what is wrong with it or was done; `made` holds the ids of what it added and the
    earlier values of what it changed, so that it can be undone.
    """

    __tablename__ = "import_row"
    __table_args__ = (UniqueConstraint("batch_id", "number"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("import_batch.id"))
    number: Mapped[int]
    state: Mapped[str] = mapped_column(String(12))
    codes: Mapped[list[str]] = mapped_column(Json, default=list)
    data: Mapped[dict[str, str]] = mapped_column(EncryptedJson("import_row.data"))
    made: Mapped[dict[str, object]] = mapped_column(EncryptedJson("import_row.made"))
