"""What is used of a month's quota, and work notifications whose result has to be asked for.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON(none_as_null=True).with_variant(
    postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"
)
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "quota_use",
        sa.Column("id", _ID, nullable=False),
        sa.Column("scope", sa.String(length=80), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("messages", sa.Integer(), nullable=False),
        sa.Column("since", _MOMENT, nullable=False),
        sa.Column("refused_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quota_use")),
    )
    op.create_index("uq_quota_use_scope_month", "quota_use", ["scope", "month"], unique=True)
    op.create_table(
        "work_task",
        sa.Column("id", _ID, nullable=False),
        sa.Column("delivery_id", _ID, nullable=False),
        sa.Column("task_id", sa.String(length=64), nullable=False),
        sa.Column("people", _JSON, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("delivered", sa.Integer(), nullable=False),
        sa.Column("read", sa.Integer(), nullable=False),
        sa.Column("missed", _JSON, nullable=False),
        sa.Column("sent_at", _MOMENT, nullable=False),
        sa.Column("settled_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["delivery_id"], ["delivery.id"], name=op.f("fk_work_task_delivery_id_delivery")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_task")),
    )
    op.create_index(op.f("ix_work_task_delivery_id"), "work_task", ["delivery_id"])


def downgrade() -> None:
    """Take the tables away."""
    op.drop_index(op.f("ix_work_task_delivery_id"), table_name="work_task")
    op.drop_table("work_task")
    op.drop_index("uq_quota_use_scope_month", table_name="quota_use")
    op.drop_table("quota_use")
