"""Whether a platform stands for a message's words and author.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the mark; what is stored already came encrypted, or from before it mattered."""
    with op.batch_alter_table("message") as table:
        table.add_column(
            sa.Column("vouched", sa.Boolean(), nullable=False, server_default=sa.true())
        )
    with op.batch_alter_table("message") as table:
        table.alter_column("vouched", server_default=None)


def downgrade() -> None:
    """Take it away."""
    with op.batch_alter_table("message") as table:
        table.drop_column("vouched")
