"""What is kept of keeping and forgetting: holds, nightly proofs, keys of tenants, read permits."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from bot.db.base import Base
from bot.db.types import EncryptedText, Id, Json, UtcDateTime


class LegalHold(Base):
    """Nothing about this person or case is forgotten while it stands (a police matter).

    It holds from the moment it is set; a second person agrees to it (`agreed_by`), and its end,
    too, is asked for by one person and granted by another.
    """

    __tablename__ = "legal_hold"
    __table_args__ = (Index("ix_legal_hold_kind_object_id", "kind", "object_id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    object_id: Mapped[int] = mapped_column(Id)
    reason: Mapped[str] = mapped_column(EncryptedText("legal_hold.reason"))
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    agreed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    agreed_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    release_asked_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    released_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    released_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))


class RetentionRun(Base):
    """One night's forgetting: how many rows of each class of data went, what is overdue."""

    __tablename__ = "retention_run"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, unique=True)
    counts: Mapped[dict[str, object]] = mapped_column(Json)
    overdue: Mapped[int] = mapped_column(default=0)


class TenantKey(Base):
    """A field key of one district, sealed with the service's own key ring."""

    __tablename__ = "tenant_key"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    place_id: Mapped[int] = mapped_column(ForeignKey("place.id"), index=True)
    key_id: Mapped[str] = mapped_column(String(16), unique=True)
    sealed: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    retired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ReadPermit(Base):
    """Leave to read one minor's record for a time, with its reason.

    Source: Regulations on the Protection of Minors in Cyberspace, article 36 (least privilege,
    approval and record of each access by staff). `broken_glass`: taken before anybody approved.
    """

    __tablename__ = "read_permit"
    __table_args__ = (Index("ix_read_permit_staff_id_object", "staff_id", "kind", "object_id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    kind: Mapped[str] = mapped_column(String(16))
    object_id: Mapped[int] = mapped_column(Id)
    reason: Mapped[str] = mapped_column(EncryptedText("read_permit.reason"))
    state: Mapped[str] = mapped_column(String(12))
    broken_glass: Mapped[bool] = mapped_column(default=False)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
