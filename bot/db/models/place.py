"""Places: the tree district → school → grade → class that people and cases belong to.

Committees and outside departments stand beside it, under the place they belong to: they give
nobody a right to a child's data.
"""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from bot.db.base import Base
from bot.db.types import Id, Json, UtcDateTime

PLACE_KINDS = ("district", "school", "grade", "class", "committee", "department")
OPEN, GRADUATED, MERGED, CLOSED = "open", "graduated", "merged", "closed"


class Place(Base):
    """One node of the tree; `path` is `/1/4/9/`, its own id last, for subtree questions.

    `stage` is the handbook's (A…F) and `entry_year` the year in which a grade's children entered
    the school; a class takes both from its grade. `topic` tells outside departments apart
    (`health`, `police`, `civil_affairs`, `hospital`). `row_version` grows with every change, so
    that the second of two people is told.
    """

    __tablename__ = "place"
    __table_args__ = (
        CheckConstraint(
            "kind IN ('district', 'school', 'grade', 'class', 'committee', 'department')",
            name="kind",
        ),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("place.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(120))
    path: Mapped[str] = mapped_column(String(200), default="", index=True)
    scene: Mapped[str | None] = mapped_column(String(64), unique=True)
    region: Mapped[str] = mapped_column(String(40), default="")
    state: Mapped[str] = mapped_column(String(12), default=OPEN, server_default=OPEN)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    stage: Mapped[str | None] = mapped_column(String(1))
    entry_year: Mapped[int | None] = mapped_column(SmallInteger)
    topic: Mapped[str] = mapped_column(String(16), default="", server_default="")
    row_version: Mapped[int] = mapped_column(default=1, server_default="1")


class PlaceChange(Base):
    """One change of one place; those of one `batch` are undone together.

    `before` and `after` hold the columns that changed. Names of places are no personal data.
    """

    __tablename__ = "place_change"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    place_id: Mapped[int] = mapped_column(ForeignKey("place.id"), index=True)
    batch: Mapped[str] = mapped_column(String(36), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    before: Mapped[dict[str, object]] = mapped_column(Json)
    after: Mapped[dict[str, object]] = mapped_column(Json)
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    undone_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
