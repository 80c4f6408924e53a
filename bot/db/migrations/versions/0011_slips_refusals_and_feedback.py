"""Slips for guardians, consents refused, what is stopped kind by kind, feedback on notices.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)
_STOPS = ("courses_stopped_at", "notices_stopped_at")


def upgrade() -> None:
    """Add the columns and the tables."""
    with op.batch_alter_table("consent") as table:
        table.add_column(
            sa.Column("refused", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
    with op.batch_alter_table("contact") as table:
        for column in _STOPS:
            table.add_column(sa.Column(column, _MOMENT, nullable=True))
    with op.batch_alter_table("child") as table:
        table.create_index(table.f("ix_child_name_key"), ["name_key"])
    _add_slips()
    _add_feedback()


def _add_slips() -> None:
    op.create_table(
        "binding_slip",
        sa.Column("id", _ID, nullable=False),
        sa.Column("code_key", sa.String(length=64), nullable=False),
        sa.Column("guardian_id", _ID, nullable=False),
        sa.Column("place_id", _ID, nullable=False),
        sa.Column("made_by", _ID, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("used_at", _MOMENT, nullable=True),
        sa.Column("used_by", _ID, nullable=True),
        sa.Column("revoked_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["guardian_id"], ["guardian.id"], name=op.f("fk_binding_slip_guardian_id_guardian")
        ),
        sa.ForeignKeyConstraint(
            ["place_id"], ["place.id"], name=op.f("fk_binding_slip_place_id_place")
        ),
        sa.ForeignKeyConstraint(
            ["made_by"], ["staff.id"], name=op.f("fk_binding_slip_made_by_staff")
        ),
        sa.ForeignKeyConstraint(
            ["used_by"], ["contact.id"], name=op.f("fk_binding_slip_used_by_contact")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_binding_slip")),
        sa.UniqueConstraint("code_key", name=op.f("uq_binding_slip_code_key")),
    )
    with op.batch_alter_table("binding_slip") as table:
        table.create_index(table.f("ix_binding_slip_guardian_id"), ["guardian_id"])


def _add_feedback() -> None:
    op.create_table(
        "notice_feedback",
        sa.Column("id", _ID, nullable=False),
        sa.Column("notice_id", _ID, nullable=False),
        sa.Column("contact_id", _ID, nullable=False),
        sa.Column("message_id", _ID, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("read_at", _MOMENT, nullable=True),
        sa.Column("read_by", _ID, nullable=True),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["notice.id"], name=op.f("fk_notice_feedback_notice_id_notice")
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contact.id"], name=op.f("fk_notice_feedback_contact_id_contact")
        ),
        sa.ForeignKeyConstraint(
            ["message_id"], ["message.id"], name=op.f("fk_notice_feedback_message_id_message")
        ),
        sa.ForeignKeyConstraint(
            ["read_by"], ["staff.id"], name=op.f("fk_notice_feedback_read_by_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice_feedback")),
        sa.UniqueConstraint("message_id", name=op.f("uq_notice_feedback_message_id")),
    )
    with op.batch_alter_table("notice_feedback") as table:
        table.create_index(table.f("ix_notice_feedback_notice_id"), ["notice_id"])
        table.create_index(table.f("ix_notice_feedback_contact_id"), ["contact_id"])


def downgrade() -> None:
    """Take them away."""
    op.drop_table("notice_feedback")
    op.drop_table("binding_slip")
    with op.batch_alter_table("child") as table:
        table.drop_index(table.f("ix_child_name_key"))
    with op.batch_alter_table("contact") as table:
        for column in reversed(_STOPS):
            table.drop_column(column)
    with op.batch_alter_table("consent") as table:
        table.drop_column("refused")
