"""Places: the tree district → school → grade → class that people and cases belong to."""

from sqlalchemy import CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from bot.db.base import Base
from bot.db.types import Id

PLACE_KINDS = ("district", "school", "grade", "class")


class Place(Base):
    """One node of the tree; `path` is `/1/4/9/`, its own id last, for subtree questions."""

    __tablename__ = "place"
    __table_args__ = (
        CheckConstraint("kind IN ('district', 'school', 'grade', 'class')", name="kind"),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("place.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(120))
    path: Mapped[str] = mapped_column(String(200), default="", index=True)
    scene: Mapped[str | None] = mapped_column(String(64), unique=True)
    region: Mapped[str] = mapped_column(String(40), default="")
