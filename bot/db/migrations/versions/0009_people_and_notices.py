"""People, rights, records, notices and courses: who is who, and what is told to whom.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON(none_as_null=True).with_variant(
    postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"
)
_MOMENT = sa.DateTime(timezone=True)
_KINDS = ("district", "school", "grade", "class")
_KINDS_BESIDE = ("committee", "department")


def upgrade() -> None:
    """Add the tables and the columns that point to them."""
    _check_kinds((*_KINDS, *_KINDS_BESIDE))
    _add_people()
    _add_the_rest()
    _add_columns()


def _check_kinds(kinds: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    with op.batch_alter_table("place") as table:
        table.drop_constraint(op.f("ck_place_kind"), type_="check")
        table.create_check_constraint(op.f("ck_place_kind"), f"kind IN ({listed})")


def _add_people() -> None:
    op.create_table(
        "guardian",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("phone_key", sa.String(length=64), nullable=True),
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("large_type", sa.Boolean(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("erased_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guardian")),
    )
    with op.batch_alter_table("guardian") as table:
        table.create_index(table.f("ix_guardian_external_id"), ["external_id"], unique=False)
        table.create_index(table.f("ix_guardian_phone_key"), ["phone_key"], unique=False)
    op.create_table(
        "child",
        sa.Column("id", _ID, nullable=False),
        sa.Column("place_id", _ID, nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.String(length=64), nullable=False),
        sa.Column("born", sa.Text(), nullable=True),
        sa.Column("student_no", sa.Text(), nullable=True),
        sa.Column("student_key", sa.String(length=64), nullable=True),
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("left_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["place_id"], ["place.id"], name=op.f("fk_child_place_id_place")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_child")),
    )
    with op.batch_alter_table("child") as table:
        table.create_index(table.f("ix_child_external_id"), ["external_id"], unique=False)
        table.create_index("ix_child_place_id_name_key", ["place_id", "name_key"], unique=False)
        table.create_index(table.f("ix_child_student_key"), ["student_key"], unique=False)
    op.create_table(
        "import_batch",
        sa.Column("id", _ID, nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("place_id", _ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("problem", sa.String(length=48), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("counts", _JSON, nullable=False),
        sa.Column("staff_id", _ID, nullable=True),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("applied_at", _MOMENT, nullable=True),
        sa.Column("undone_at", _MOMENT, nullable=True),
        sa.Column("row_version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["place_id"], ["place.id"], name=op.f("fk_import_batch_place_id_place")
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_import_batch_staff_id_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_batch")),
    )
    with op.batch_alter_table("import_batch") as table:
        table.create_index(table.f("ix_import_batch_place_id"), ["place_id"], unique=False)
    op.create_table(
        "place_change",
        sa.Column("id", _ID, nullable=False),
        sa.Column("place_id", _ID, nullable=False),
        sa.Column("batch", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("before", _JSON, nullable=False),
        sa.Column("after", _JSON, nullable=False),
        sa.Column("staff_id", _ID, nullable=True),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("undone_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["place_id"], ["place.id"], name=op.f("fk_place_change_place_id_place")
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_place_change_staff_id_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_place_change")),
    )
    with op.batch_alter_table("place_change") as table:
        table.create_index(table.f("ix_place_change_batch"), ["batch"], unique=False)
        table.create_index(table.f("ix_place_change_place_id"), ["place_id"], unique=False)
    op.create_table(
        "binding",
        sa.Column("id", _ID, nullable=False),
        sa.Column("contact_id", _ID, nullable=False),
        sa.Column("place_id", _ID, nullable=False),
        sa.Column("guardian_id", _ID, nullable=True),
        sa.Column("child_id", _ID, nullable=True),
        sa.Column("way", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("claim", sa.Text(), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("decided_at", _MOMENT, nullable=True),
        sa.Column("decided_by", _ID, nullable=True),
        sa.ForeignKeyConstraint(["child_id"], ["child.id"], name=op.f("fk_binding_child_id_child")),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contact.id"], name=op.f("fk_binding_contact_id_contact")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["staff.id"], name=op.f("fk_binding_decided_by_staff")
        ),
        sa.ForeignKeyConstraint(
            ["guardian_id"], ["guardian.id"], name=op.f("fk_binding_guardian_id_guardian")
        ),
        sa.ForeignKeyConstraint(["place_id"], ["place.id"], name=op.f("fk_binding_place_id_place")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_binding")),
    )
    with op.batch_alter_table("binding") as table:
        table.create_index(table.f("ix_binding_contact_id"), ["contact_id"], unique=False)
        table.create_index(table.f("ix_binding_place_id"), ["place_id"], unique=False)
        table.create_index(
            "uq_binding_asked",
            ["contact_id", "place_id"],
            unique=True,
            sqlite_where=sa.text("state = 'asked'"),
            postgresql_where=sa.text("state = 'asked'"),
        )
    op.create_table(
        "child_place",
        sa.Column("id", _ID, nullable=False),
        sa.Column("child_id", _ID, nullable=False),
        sa.Column("place_id", _ID, nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["child_id"], ["child.id"], name=op.f("fk_child_place_child_id_child")
        ),
        sa.ForeignKeyConstraint(
            ["place_id"], ["place.id"], name=op.f("fk_child_place_place_id_place")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_child_place")),
    )
    with op.batch_alter_table("child_place") as table:
        table.create_index(table.f("ix_child_place_child_id"), ["child_id"], unique=False)
        table.create_index(table.f("ix_child_place_place_id"), ["place_id"], unique=False)
        table.create_index(
            "uq_child_place_here",
            ["child_id"],
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )
    op.create_table(
        "guardianship",
        sa.Column("id", _ID, nullable=False),
        sa.Column("guardian_id", _ID, nullable=False),
        sa.Column("child_id", _ID, nullable=False),
        sa.Column("relation", sa.String(length=4), nullable=False),
        sa.Column("custody_block", sa.Boolean(), nullable=False),
        sa.Column("unreachable", sa.String(length=32), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["child_id"], ["child.id"], name=op.f("fk_guardianship_child_id_child")
        ),
        sa.ForeignKeyConstraint(
            ["guardian_id"], ["guardian.id"], name=op.f("fk_guardianship_guardian_id_guardian")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guardianship")),
        sa.UniqueConstraint(
            "guardian_id", "child_id", name=op.f("uq_guardianship_guardian_id_child_id")
        ),
    )
    with op.batch_alter_table("guardianship") as table:
        table.create_index(table.f("ix_guardianship_child_id"), ["child_id"], unique=False)
    op.create_table(
        "import_row",
        sa.Column("id", _ID, nullable=False),
        sa.Column("batch_id", _ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("codes", _JSON, nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("made", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["import_batch.id"], name=op.f("fk_import_row_batch_id_import_batch")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_row")),
        sa.UniqueConstraint("batch_id", "number", name=op.f("uq_import_row_batch_id_number")),
    )


def _add_the_rest() -> None:
    op.create_table(
        "retention_run",
        sa.Column("id", _ID, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("counts", _JSON, nullable=False),
        sa.Column("overdue", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_run")),
        sa.UniqueConstraint("at", name=op.f("uq_retention_run_at")),
    )
    op.create_table(
        "course",
        sa.Column("id", _ID, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("place_id", _ID, nullable=False),
        sa.Column("title", sa.String(length=80), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("speaker", sa.String(length=80), nullable=False),
        sa.Column("stages", sa.String(length=8), nullable=False),
        sa.Column("location", sa.String(length=120), nullable=False),
        sa.Column("starts_at", _MOMENT, nullable=False),
        sa.Column("ends_at", _MOMENT, nullable=False),
        sa.Column("closes_at", _MOMENT, nullable=True),
        sa.Column("places", sa.Integer(), nullable=True),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("author_id", _ID, nullable=True),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.Column("row_version", sa.Integer(), nullable=False),
        sa.CheckConstraint("places IS NULL OR taken <= places", name=op.f("ck_course_taken")),
        sa.ForeignKeyConstraint(
            ["author_id"], ["staff.id"], name=op.f("fk_course_author_id_staff")
        ),
        sa.ForeignKeyConstraint(["place_id"], ["place.id"], name=op.f("fk_course_place_id_place")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_course")),
    )
    with op.batch_alter_table("course") as table:
        table.create_index(table.f("ix_course_place_id"), ["place_id"], unique=False)
        table.create_index("ix_course_state_starts_at", ["state", "starts_at"], unique=False)
    op.create_table(
        "legal_hold",
        sa.Column("id", _ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("object_id", _ID, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("staff_id", _ID, nullable=True),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("released_at", _MOMENT, nullable=True),
        sa.Column("released_by", _ID, nullable=True),
        sa.ForeignKeyConstraint(
            ["released_by"], ["staff.id"], name=op.f("fk_legal_hold_released_by_staff")
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_legal_hold_staff_id_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_legal_hold")),
    )
    with op.batch_alter_table("legal_hold") as table:
        table.create_index("ix_legal_hold_kind_object_id", ["kind", "object_id"], unique=False)
    op.create_table(
        "read_permit",
        sa.Column("id", _ID, nullable=False),
        sa.Column("staff_id", _ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("object_id", _ID, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("broken_glass", sa.Boolean(), nullable=False),
        sa.Column("asked_at", _MOMENT, nullable=False),
        sa.Column("decided_at", _MOMENT, nullable=True),
        sa.Column("decided_by", _ID, nullable=True),
        sa.Column("ends_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["staff.id"], name=op.f("fk_read_permit_decided_by_staff")
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_read_permit_staff_id_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_read_permit")),
    )
    with op.batch_alter_table("read_permit") as table:
        table.create_index(
            "ix_read_permit_staff_id_object", ["staff_id", "kind", "object_id"], unique=False
        )
    op.create_table(
        "recovery_code",
        sa.Column("id", _ID, nullable=False),
        sa.Column("staff_id", _ID, nullable=False),
        sa.Column("code_hash", sa.String(length=64), nullable=False),
        sa.Column("used_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["staff_id"],
            ["staff.id"],
            name=op.f("fk_recovery_code_staff_id_staff"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recovery_code")),
        sa.UniqueConstraint("code_hash", name=op.f("uq_recovery_code_code_hash")),
    )
    with op.batch_alter_table("recovery_code") as table:
        table.create_index(table.f("ix_recovery_code_staff_id"), ["staff_id"], unique=False)
    op.create_table(
        "tenant_key",
        sa.Column("id", _ID, nullable=False),
        sa.Column("place_id", _ID, nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("retired_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["place_id"], ["place.id"], name=op.f("fk_tenant_key_place_id_place")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenant_key")),
        sa.UniqueConstraint("key_id", name=op.f("uq_tenant_key_key_id")),
    )
    with op.batch_alter_table("tenant_key") as table:
        table.create_index(table.f("ix_tenant_key_place_id"), ["place_id"], unique=False)
    op.create_table(
        "data_request",
        sa.Column("id", _ID, nullable=False),
        sa.Column("contact_id", _ID, nullable=False),
        sa.Column("place_id", _ID, nullable=True),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("due_at", _MOMENT, nullable=False),
        sa.Column("decided_at", _MOMENT, nullable=True),
        sa.Column("decided_by", _ID, nullable=True),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contact.id"], name=op.f("fk_data_request_contact_id_contact")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["staff.id"], name=op.f("fk_data_request_decided_by_staff")
        ),
        sa.ForeignKeyConstraint(
            ["place_id"], ["place.id"], name=op.f("fk_data_request_place_id_place")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_request")),
    )
    with op.batch_alter_table("data_request") as table:
        table.create_index(table.f("ix_data_request_contact_id"), ["contact_id"], unique=False)
    op.create_table(
        "enrolment",
        sa.Column("id", _ID, nullable=False),
        sa.Column("course_id", _ID, nullable=False),
        sa.Column("contact_id", _ID, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("waits_from", _MOMENT, nullable=True),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("changed_at", _MOMENT, nullable=False),
        sa.Column("told_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contact.id"], name=op.f("fk_enrolment_contact_id_contact")
        ),
        sa.ForeignKeyConstraint(
            ["course_id"], ["course.id"], name=op.f("fk_enrolment_course_id_course")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enrolment")),
        sa.UniqueConstraint(
            "course_id", "contact_id", name=op.f("uq_enrolment_course_id_contact_id")
        ),
    )
    with op.batch_alter_table("enrolment") as table:
        table.create_index(table.f("ix_enrolment_contact_id"), ["contact_id"], unique=False)
        table.create_index(
            "ix_enrolment_course_id_state_waits_from",
            ["course_id", "state", "waits_from"],
            unique=False,
        )
    op.create_table(
        "notice",
        sa.Column("id", _ID, nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("author_id", _ID, nullable=True),
        sa.Column("place_id", _ID, nullable=False),
        sa.Column("course_id", _ID, nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("confirm", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("counts", _JSON, nullable=False),
        sa.Column("expanded", _ID, nullable=False),
        sa.Column("rounds", sa.Integer(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("sent_at", _MOMENT, nullable=True),
        sa.Column("withdrawn_at", _MOMENT, nullable=True),
        sa.Column("row_version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["author_id"], ["staff.id"], name=op.f("fk_notice_author_id_staff")
        ),
        sa.ForeignKeyConstraint(
            ["course_id"], ["course.id"], name=op.f("fk_notice_course_id_course")
        ),
        sa.ForeignKeyConstraint(["place_id"], ["place.id"], name=op.f("fk_notice_place_id_place")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
        sa.UniqueConstraint("key", name=op.f("uq_notice_key")),
    )
    with op.batch_alter_table("notice") as table:
        table.create_index(table.f("ix_notice_author_id"), ["author_id"], unique=False)
        table.create_index(table.f("ix_notice_place_id"), ["place_id"], unique=False)
    op.create_table(
        "link",
        sa.Column("id", _ID, nullable=False),
        sa.Column("token_key", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=12), nullable=False),
        sa.Column("contact_id", _ID, nullable=False),
        sa.Column("notice_id", _ID, nullable=True),
        sa.Column("device_key", sa.String(length=64), nullable=True),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("opened_at", _MOMENT, nullable=True),
        sa.Column("revoked_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contact.id"], name=op.f("fk_link_contact_id_contact")
        ),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["notice.id"], name=op.f("fk_link_notice_id_notice")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link")),
        sa.UniqueConstraint("token_key", name=op.f("uq_link_token_key")),
    )
    with op.batch_alter_table("link") as table:
        table.create_index(table.f("ix_link_contact_id"), ["contact_id"], unique=False)
    op.create_table(
        "notice_child",
        sa.Column("id", _ID, nullable=False),
        sa.Column("notice_id", _ID, nullable=False),
        sa.Column("child_id", _ID, nullable=False),
        sa.Column("confirmed_at", _MOMENT, nullable=True),
        sa.Column("confirmed_by", _ID, nullable=True),
        sa.Column("way", sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(
            ["child_id"], ["child.id"], name=op.f("fk_notice_child_child_id_child")
        ),
        sa.ForeignKeyConstraint(
            ["confirmed_by"], ["contact.id"], name=op.f("fk_notice_child_confirmed_by_contact")
        ),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["notice.id"], name=op.f("fk_notice_child_notice_id_notice")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice_child")),
        sa.UniqueConstraint(
            "notice_id", "child_id", name=op.f("uq_notice_child_notice_id_child_id")
        ),
    )
    with op.batch_alter_table("notice_child") as table:
        table.create_index(
            "ix_notice_child_open",
            ["child_id"],
            unique=False,
            sqlite_where=sa.text("confirmed_at IS NULL"),
            postgresql_where=sa.text("confirmed_at IS NULL"),
        )


def _add_columns() -> None:
    with op.batch_alter_table("consent") as table:
        table.add_column(
            sa.Column("way", sa.String(length=12), server_default="chat", nullable=False)
        )
        table.add_column(sa.Column("child_id", _ID, nullable=True))
        table.create_foreign_key(
            table.f("fk_consent_child_id_child"), "child", ["child_id"], ["id"]
        )
    with op.batch_alter_table("contact") as table:
        table.add_column(sa.Column("guardian_id", _ID, nullable=True))
        table.create_index(
            "uq_contact_guardian_id_channel_account",
            ["guardian_id", "channel", "account"],
            unique=True,
            sqlite_where=sa.text("guardian_id IS NOT NULL"),
            postgresql_where=sa.text("guardian_id IS NOT NULL"),
        )
        table.create_foreign_key(
            table.f("fk_contact_guardian_id_guardian"), "guardian", ["guardian_id"], ["id"]
        )
    with op.batch_alter_table("delivery") as table:
        table.add_column(sa.Column("notice_id", _ID, nullable=True))
        table.add_column(sa.Column("guardian_id", _ID, nullable=True))
        table.add_column(sa.Column("read_at", _MOMENT, nullable=True))
        table.create_index(
            "ix_delivery_notice_id_state",
            ["notice_id", "state"],
            unique=False,
            sqlite_where=sa.text("notice_id IS NOT NULL"),
            postgresql_where=sa.text("notice_id IS NOT NULL"),
        )
        table.create_foreign_key(
            table.f("fk_delivery_guardian_id_guardian"), "guardian", ["guardian_id"], ["id"]
        )
        table.create_foreign_key(
            table.f("fk_delivery_notice_id_notice"), "notice", ["notice_id"], ["id"]
        )
    with op.batch_alter_table("login") as table:
        table.add_column(
            sa.Column("waits_for_code", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
    with op.batch_alter_table("place") as table:
        table.add_column(
            sa.Column("state", sa.String(length=12), server_default="open", nullable=False)
        )
        table.add_column(sa.Column("closed_at", _MOMENT, nullable=True))
        table.add_column(sa.Column("stage", sa.String(length=1), nullable=True))
        table.add_column(sa.Column("entry_year", sa.SmallInteger(), nullable=True))
        table.add_column(
            sa.Column("topic", sa.String(length=16), server_default="", nullable=False)
        )
        table.add_column(sa.Column("row_version", sa.Integer(), server_default="1", nullable=False))
    with op.batch_alter_table("staff") as table:
        table.add_column(sa.Column("external_id", sa.String(length=200), nullable=True))
        table.add_column(sa.Column("totp_secret", sa.Text(), nullable=True))
        table.add_column(sa.Column("totp_since", _MOMENT, nullable=True))
        table.add_column(sa.Column("totp_step", _ID, server_default="0", nullable=False))
        table.create_index(table.f("ix_staff_external_id"), ["external_id"], unique=False)
    with op.batch_alter_table("staff_role") as table:
        table.add_column(sa.Column("starts_at", _MOMENT, nullable=True))
        table.add_column(sa.Column("granted_by", _ID, nullable=True))
        table.add_column(sa.Column("granted_at", _MOMENT, nullable=True))
        table.create_foreign_key(
            table.f("fk_staff_role_granted_by_staff"), "staff", ["granted_by"], ["id"]
        )


def downgrade() -> None:
    """Take them away."""
    _drop_columns()
    _drop_tables()
    op.execute(
        f"DELETE FROM place WHERE kind IN ({', '.join(repr(kind) for kind in _KINDS_BESIDE)})"
    )
    _check_kinds(_KINDS)


def _drop_columns() -> None:
    with op.batch_alter_table("staff_role") as table:
        table.drop_constraint(table.f("fk_staff_role_granted_by_staff"), type_="foreignkey")
        table.drop_column("granted_at")
        table.drop_column("granted_by")
        table.drop_column("starts_at")
    with op.batch_alter_table("staff") as table:
        table.drop_index(table.f("ix_staff_external_id"))
        table.drop_column("totp_step")
        table.drop_column("totp_since")
        table.drop_column("totp_secret")
        table.drop_column("external_id")
    with op.batch_alter_table("place") as table:
        table.drop_column("row_version")
        table.drop_column("topic")
        table.drop_column("entry_year")
        table.drop_column("stage")
        table.drop_column("closed_at")
        table.drop_column("state")
    with op.batch_alter_table("login") as table:
        table.drop_column("waits_for_code")
    with op.batch_alter_table("delivery") as table:
        table.drop_constraint(table.f("fk_delivery_notice_id_notice"), type_="foreignkey")
        table.drop_constraint(table.f("fk_delivery_guardian_id_guardian"), type_="foreignkey")
        table.drop_index(
            "ix_delivery_notice_id_state",
            sqlite_where=sa.text("notice_id IS NOT NULL"),
            postgresql_where=sa.text("notice_id IS NOT NULL"),
        )
        table.drop_column("read_at")
        table.drop_column("guardian_id")
        table.drop_column("notice_id")
    with op.batch_alter_table("contact") as table:
        table.drop_constraint(table.f("fk_contact_guardian_id_guardian"), type_="foreignkey")
        table.drop_index(
            "uq_contact_guardian_id_channel_account",
            sqlite_where=sa.text("guardian_id IS NOT NULL"),
            postgresql_where=sa.text("guardian_id IS NOT NULL"),
        )
        table.drop_column("guardian_id")
    with op.batch_alter_table("consent") as table:
        table.drop_constraint(table.f("fk_consent_child_id_child"), type_="foreignkey")
        table.drop_column("child_id")
        table.drop_column("way")


def _drop_tables() -> None:
    with op.batch_alter_table("notice_child") as table:
        table.drop_index(
            "ix_notice_child_open",
            sqlite_where=sa.text("confirmed_at IS NULL"),
            postgresql_where=sa.text("confirmed_at IS NULL"),
        )
    op.drop_table("notice_child")
    with op.batch_alter_table("link") as table:
        table.drop_index(table.f("ix_link_contact_id"))
    op.drop_table("link")
    with op.batch_alter_table("notice") as table:
        table.drop_index(table.f("ix_notice_place_id"))
        table.drop_index(table.f("ix_notice_author_id"))
    op.drop_table("notice")
    op.drop_table("import_row")
    with op.batch_alter_table("guardianship") as table:
        table.drop_index(table.f("ix_guardianship_child_id"))
    op.drop_table("guardianship")
    with op.batch_alter_table("enrolment") as table:
        table.drop_index("ix_enrolment_course_id_state_waits_from")
        table.drop_index(table.f("ix_enrolment_contact_id"))
    op.drop_table("enrolment")
    with op.batch_alter_table("data_request") as table:
        table.drop_index(table.f("ix_data_request_contact_id"))
    op.drop_table("data_request")
    with op.batch_alter_table("child_place") as table:
        table.drop_index(
            "uq_child_place_here",
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )
        table.drop_index(table.f("ix_child_place_place_id"))
        table.drop_index(table.f("ix_child_place_child_id"))
    op.drop_table("child_place")
    with op.batch_alter_table("binding") as table:
        table.drop_index(
            "uq_binding_asked",
            sqlite_where=sa.text("state = 'asked'"),
            postgresql_where=sa.text("state = 'asked'"),
        )
        table.drop_index(table.f("ix_binding_place_id"))
        table.drop_index(table.f("ix_binding_contact_id"))
    op.drop_table("binding")
    with op.batch_alter_table("tenant_key") as table:
        table.drop_index(table.f("ix_tenant_key_place_id"))
    op.drop_table("tenant_key")
    with op.batch_alter_table("recovery_code") as table:
        table.drop_index(table.f("ix_recovery_code_staff_id"))
    op.drop_table("recovery_code")
    with op.batch_alter_table("read_permit") as table:
        table.drop_index("ix_read_permit_staff_id_object")
    op.drop_table("read_permit")
    with op.batch_alter_table("place_change") as table:
        table.drop_index(table.f("ix_place_change_place_id"))
        table.drop_index(table.f("ix_place_change_batch"))
    op.drop_table("place_change")
    with op.batch_alter_table("legal_hold") as table:
        table.drop_index("ix_legal_hold_kind_object_id")
    op.drop_table("legal_hold")
    with op.batch_alter_table("import_batch") as table:
        table.drop_index(table.f("ix_import_batch_place_id"))
    op.drop_table("import_batch")
    with op.batch_alter_table("course") as table:
        table.drop_index("ix_course_state_starts_at")
        table.drop_index(table.f("ix_course_place_id"))
    op.drop_table("course")
    with op.batch_alter_table("child") as table:
        table.drop_index(table.f("ix_child_student_key"))
        table.drop_index("ix_child_place_id_name_key")
        table.drop_index(table.f("ix_child_external_id"))
    op.drop_table("child")
    op.drop_table("retention_run")
    with op.batch_alter_table("guardian") as table:
        table.drop_index(table.f("ix_guardian_phone_key"))
        table.drop_index(table.f("ix_guardian_external_id"))
    op.drop_table("guardian")
