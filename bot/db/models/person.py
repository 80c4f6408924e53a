"""Children and their guardians: who belongs to which class, and who may be told what."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from bot.db.base import Base
from bot.db.types import EncryptedJson, EncryptedText, Id, UtcDateTime

ACTIVE, LEFT = "active", "left"
# DingTalk's relationCode, PLATFORMS §3.8: father, mother, grandparents of both sides, uncle, aunt,
# brother, sister, other.
RELATIONS = ("F", "M", "GF", "GM", "GFA", "GMA", "U", "A", "B", "S", "O")
ASKED, BOUND, REFUSED, WITHDRAWN = "asked", "bound", "refused", "withdrawn"
_HERE = text("ended_at IS NULL")
_ASKED = text("state = 'asked'")


class Child(Base):
    """A child of a class.

    `name_key` and `student_key` are keyed hashes (`KeyRing.fingerprint`) to find a child without
    its name standing in the table. `born` is year and month, for what depends on the age of 14.
    """

    __tablename__ = "child"
    __table_args__ = (Index("ix_child_place_id_name_key", "place_id", "name_key"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    place_id: Mapped[int | None] = mapped_column(ForeignKey("place.id"))
    name: Mapped[str] = mapped_column(EncryptedText("child.name"))
    name_key: Mapped[str] = mapped_column(String(64), index=True)
    born: Mapped[str | None] = mapped_column(EncryptedText("child.born"))
    student_no: Mapped[str | None] = mapped_column(EncryptedText("child.student_no"))
    student_key: Mapped[str | None] = mapped_column(String(64), index=True)
    external_id: Mapped[str | None] = mapped_column(String(200), index=True)
    source: Mapped[str] = mapped_column(String(16))
    state: Mapped[str] = mapped_column(String(12), default=ACTIVE)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    left_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ChildPlace(Base):
    """In which class a child was, from when to when; the open row is the present one."""

    __tablename__ = "child_place"
    __table_args__ = (
        Index(
            "uq_child_place_here",
            "child_id",
            unique=True,
            sqlite_where=_HERE,
            postgresql_where=_HERE,
        ),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    child_id: Mapped[int] = mapped_column(ForeignKey("child.id"), index=True)
    place_id: Mapped[int] = mapped_column(ForeignKey("place.id"), index=True)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Guardian(Base):
    """A grown-up who cares for children; reached through the contacts that are bound to them.

    `phone_key` is a keyed hash; two guardians may share a phone. `large_type`: a grandparent's
    account, whose pages are set large.
    """

    __tablename__ = "guardian"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(EncryptedText("guardian.name"))
    phone: Mapped[str | None] = mapped_column(EncryptedText("guardian.phone"))
    phone_key: Mapped[str | None] = mapped_column(String(64), index=True)
    external_id: Mapped[str | None] = mapped_column(String(200), index=True)
    large_type: Mapped[bool] = mapped_column(default=False)
    source: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Guardianship(Base):
    """What a guardian is to a child.

    `custody_block`: by a court or the other guardian's proof this person is told nothing of the
    child. `unreachable`: people tried and failed; the reason is a code.
    """

    __tablename__ = "guardianship"
    __table_args__ = (UniqueConstraint("guardian_id", "child_id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    guardian_id: Mapped[int] = mapped_column(ForeignKey("guardian.id"))
    child_id: Mapped[int] = mapped_column(ForeignKey("child.id"), index=True)
    relation: Mapped[str] = mapped_column(String(4))
    custody_block: Mapped[bool] = mapped_column(default=False)
    unreachable: Mapped[str] = mapped_column(String(32), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Binding(Base):
    """A contact that says it is a guardian of a child; one open question per contact and class.

    `way` is what settled it: `phone` (a phone of the class's roster), `directory` (the platform's
    own directory), `teacher` (somebody of the school said yes), `link`. `claim` is what the person
    said: child's name, relation, phone.
    """

    __tablename__ = "binding"
    __table_args__ = (
        Index(
            "uq_binding_asked",
            "contact_id",
            "place_id",
            unique=True,
            sqlite_where=_ASKED,
            postgresql_where=_ASKED,
        ),
    )

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contact.id"), index=True)
    place_id: Mapped[int] = mapped_column(ForeignKey("place.id"), index=True)
    guardian_id: Mapped[int | None] = mapped_column(ForeignKey("guardian.id"))
    child_id: Mapped[int | None] = mapped_column(ForeignKey("child.id"))
    way: Mapped[str] = mapped_column(String(12), default="")
    state: Mapped[str] = mapped_column(String(12), default=ASKED)
    claim: Mapped[dict[str, str]] = mapped_column(EncryptedJson("binding.claim"))
    reason: Mapped[str] = mapped_column(String(32), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))


class BindingSlip(Base):
    """A slip of paper for one guardian: whoever sends its code, or scans it, is that guardian.

    Only a keyed hash of the code is kept. It is used once (`used_by`: the contact), for some weeks.
    """

    __tablename__ = "binding_slip"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    code_key: Mapped[str] = mapped_column(String(64), unique=True)
    guardian_id: Mapped[int] = mapped_column(ForeignKey("guardian.id"), index=True)
    place_id: Mapped[int] = mapped_column(ForeignKey("place.id"))
    made_by: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    used_by: Mapped[int | None] = mapped_column(ForeignKey("contact.id"))
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
