"""Rule sets that people make, their replays, and the messages whose level would change.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON(none_as_null=True).with_variant(
    postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), "postgresql"
)
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables."""
    _rule_set()
    _rule_replay()
    _rule_change()


def _rule_set() -> None:
    op.create_table(
        "rule_set",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("based_on", sa.String(length=64), nullable=False),
        sa.Column("files", _JSON, nullable=False),
        sa.Column("problem", _JSON, nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("author", _ID, nullable=True),
        sa.Column("published_by", _ID, nullable=True),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.Column("shadow_since", _MOMENT, nullable=True),
        sa.Column("published_at", _MOMENT, nullable=True),
        sa.Column("retired_at", _MOMENT, nullable=True),
        sa.Column("row_version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["author"], ["staff.id"], name=op.f("fk_rule_set_author_staff")),
        sa.ForeignKeyConstraint(
            ["published_by"], ["staff.id"], name=op.f("fk_rule_set_published_by_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_set")),
    )
    for state in ("live", "shadow"):
        only = sa.text(f"state = '{state}'")
        op.create_index(
            f"uq_rule_set_{state}",
            "rule_set",
            ["state"],
            unique=True,
            sqlite_where=only,
            postgresql_where=only,
        )


def _rule_replay() -> None:
    op.create_table(
        "rule_replay",
        sa.Column("id", _ID, nullable=False),
        sa.Column("rule_set_id", _ID, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("live_version", sa.String(length=64), nullable=False),
        sa.Column("new_version", sa.String(length=64), nullable=False),
        sa.Column("since", _MOMENT, nullable=False),
        sa.Column("last_message", _ID, nullable=False),
        sa.Column("reached", _ID, nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("counts", _JSON, nullable=False),
        sa.Column("started_by", _ID, nullable=True),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("finished_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["rule_set_id"], ["rule_set.id"], name=op.f("fk_rule_replay_rule_set_id_rule_set")
        ),
        sa.ForeignKeyConstraint(
            ["started_by"], ["staff.id"], name=op.f("fk_rule_replay_started_by_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_replay")),
    )
    op.create_index(op.f("ix_rule_replay_rule_set_id"), "rule_replay", ["rule_set_id"])


def _rule_change() -> None:
    op.create_table(
        "rule_change",
        sa.Column("id", _ID, nullable=False),
        sa.Column("rule_set_id", _ID, nullable=False),
        sa.Column("replay_id", _ID, nullable=True),
        sa.Column("message_id", _ID, nullable=False),
        sa.Column("live_level", sa.String(length=2), nullable=False),
        sa.Column("new_level", sa.String(length=2), nullable=False),
        sa.Column("categories", _JSON, nullable=False),
        sa.Column("rule_ids", _JSON, nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["rule_set_id"], ["rule_set.id"], name=op.f("fk_rule_change_rule_set_id_rule_set")
        ),
        sa.ForeignKeyConstraint(
            ["replay_id"], ["rule_replay.id"], name=op.f("fk_rule_change_replay_id_rule_replay")
        ),
        sa.ForeignKeyConstraint(
            ["message_id"], ["message.id"], name=op.f("fk_rule_change_message_id_message")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_rule_change")),
    )
    op.create_index("ix_rule_change_rule_set_id_id", "rule_change", ["rule_set_id", "id"])
    op.create_index("ix_rule_change_replay_id_id", "rule_change", ["replay_id", "id"])
    op.create_index(op.f("ix_rule_change_message_id"), "rule_change", ["message_id"])


def downgrade() -> None:
    """Take the tables away."""
    for table in ("rule_change", "rule_replay", "rule_set"):
        op.drop_table(table)
