"""Who agreed to a legal hold, and who asks for its end.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)
_PEOPLE = ("agreed_by", "release_asked_by")


def upgrade() -> None:
    """Add the columns; holds made before have nobody's agreement."""
    with op.batch_alter_table("legal_hold") as table:
        table.add_column(sa.Column("agreed_at", _MOMENT, nullable=True))
        for column in _PEOPLE:
            table.add_column(sa.Column(column, _ID, nullable=True))
            table.create_foreign_key(
                table.f(f"fk_legal_hold_{column}_staff"), "staff", [column], ["id"]
            )


def downgrade() -> None:
    """Take them away."""
    with op.batch_alter_table("legal_hold") as table:
        for column in reversed(_PEOPLE):
            table.drop_constraint(table.f(f"fk_legal_hold_{column}_staff"), type_="foreignkey")
            table.drop_column(column)
        table.drop_column("agreed_at")
