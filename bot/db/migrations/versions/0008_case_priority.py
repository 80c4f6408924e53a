"""What puts a case before the others of its level.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_JSON = sa.JSON(none_as_null=True).with_variant(
    postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"
)


def upgrade() -> None:
    """Add the columns; the cases that are there have no reason to go first."""
    with op.batch_alter_table("risk_case") as table:
        table.add_column(
            sa.Column("priority", sa.SmallInteger(), nullable=False, server_default="0")
        )
        table.add_column(
            sa.Column("priority_reasons", _JSON, nullable=False, server_default=sa.text("'[]'"))
        )
    with op.batch_alter_table("risk_case") as table:
        table.alter_column("priority", server_default=None)
        table.alter_column("priority_reasons", server_default=None)


def downgrade() -> None:
    """Take them away."""
    with op.batch_alter_table("risk_case") as table:
        table.drop_column("priority_reasons")
        table.drop_column("priority")
