"""Where a message can be answered, and replies in groups.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; what is stored already was written 1:1 and had no address."""
    with op.batch_alter_table("message") as table:
        table.add_column(sa.Column("return_address", sa.Text(), nullable=True))
        table.add_column(sa.Column("return_until", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("delivery") as table:
        table.add_column(sa.Column("group_id", sa.String(length=200), nullable=True))


def downgrade() -> None:
    """Take the columns away."""
    with op.batch_alter_table("delivery") as table:
        table.drop_column("group_id")
    with op.batch_alter_table("message") as table:
        table.drop_column("return_until")
        table.drop_column("return_address")
