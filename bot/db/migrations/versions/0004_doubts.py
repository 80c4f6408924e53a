"""How often a platform may have taken a delivery without saying so.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the count; of what was sent before nothing is known."""
    with op.batch_alter_table("delivery") as table:
        table.add_column(sa.Column("doubts", sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("delivery") as table:
        table.alter_column("doubts", server_default=None)


def downgrade() -> None:
    """Take it away."""
    with op.batch_alter_table("delivery") as table:
        table.drop_column("doubts")
