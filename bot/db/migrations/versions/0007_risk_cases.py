"""What people said about single judgements of the screen, kept as test cases of the rules.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON(none_as_null=True).with_variant(
    postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"
)
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "rule_case",
        sa.Column("id", _ID, nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("turns", sa.Text(), nullable=False),
        sa.Column("who", sa.String(length=4), nullable=True),
        sa.Column("expected_level", sa.String(length=2), nullable=False),
        sa.Column("expected_category", sa.String(length=8), nullable=False),
        sa.Column("found_level", sa.String(length=2), nullable=False),
        sa.Column("found_category", sa.String(length=8), nullable=False),
        sa.Column("rule_ids", _JSON, nullable=False),
        sa.Column("rule_version", sa.String(length=64), nullable=False),
        sa.Column("message_id", _ID, nullable=True),
        sa.Column("case_id", _ID, nullable=True),
        sa.Column("place_id", _ID, nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("staff_id", _ID, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("decided_by", _ID, nullable=True),
        sa.Column("decided_at", _MOMENT, nullable=True),
        sa.Column("erased_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["message_id"], ["message.id"], name=op.f("fk_rule_case_message_id_message")
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["risk_case.id"], name=op.f("fk_rule_case_case_id_risk_case")
        ),
        sa.ForeignKeyConstraint(
            ["place_id"], ["place.id"], name=op.f("fk_rule_case_place_id_place")
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_rule_case_staff_id_staff")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["staff.id"], name=op.f("fk_rule_case_decided_by_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_case")),
        sa.UniqueConstraint("message_id", name=op.f("uq_rule_case_message_id")),
    )
    op.create_index("ix_rule_case_state_id", "rule_case", ["state", "id"])


def downgrade() -> None:
    """Take it away."""
    op.drop_index("ix_rule_case_state_id", table_name="rule_case")
    op.drop_table("rule_case")
