"""The desk at work, the file of a case, duty: offers, forms, told, follow-ups, calls, rosters, drills.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
_MOMENT = sa.DateTime(timezone=True)
_TABLES = (
    "absence",
    "push_subscription",
    "shift_pattern",
    "shift_swap",
    "drill",
    "draft",
    "level_words",
    "presence",
    "case_offer",
    "form_definition",
    "attachment",
    "case_form",
    "read_reason",
    "told",
    "care_plan",
    "care_task",
    "follow_up",
    "worry",
    "phone_call",
    "report",
)


def upgrade() -> None:
    """Add the tables and the columns."""
    _add_duty()
    _add_desk()
    _add_file()
    _add_care()
    _add_calls()
    _add_columns()


def _add_duty() -> None:
    op.create_table(
        "absence",
        sa.Column("id", _ID, nullable=False),
        sa.Column("staff_id", _ID, nullable=False),
        sa.Column("starts_at", _MOMENT, nullable=False),
        sa.Column("ends_at", _MOMENT, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("made_by", _ID, nullable=False),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(["made_by"], ["staff.id"], name=op.f("fk_absence_made_by_staff")),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_absence_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_absence")),
    )
    with op.batch_alter_table("absence") as table:
        table.create_index("ix_absence_staff_id_starts_at", ["staff_id", "starts_at"])
    op.create_table(
        "push_subscription",
        sa.Column("id", _ID, nullable=False),
        sa.Column("staff_id", _ID, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("keys", sa.Text(), nullable=False),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.Column("failed_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_push_subscription_staff_id_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_push_subscription")),
        sa.UniqueConstraint("digest", name=op.f("uq_push_subscription_digest")),
    )
    with op.batch_alter_table("push_subscription") as table:
        table.create_index(table.f("ix_push_subscription_staff_id"), ["staff_id"])
    op.create_table(
        "shift_pattern",
        sa.Column("id", _ID, nullable=False),
        sa.Column("place_id", _ID, nullable=False),
        sa.Column("staff_id", _ID, nullable=False),
        sa.Column("tier", sa.String(length=16), nullable=False),
        sa.Column("days", _JSON, nullable=False),
        sa.Column("on_holidays", sa.Boolean(), nullable=False),
        sa.Column("on_makeup_days", sa.Boolean(), nullable=False),
        sa.Column("start_minute", sa.Integer(), nullable=False),
        sa.Column("end_minute", sa.Integer(), nullable=False),
        sa.Column("wakes", sa.Boolean(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("written_until", sa.Date(), nullable=True),
        sa.Column("made_by", _ID, nullable=False),
        sa.Column("row_version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["made_by"], ["staff.id"], name=op.f("fk_shift_pattern_made_by_staff")
        ),
        sa.ForeignKeyConstraint(
            ["place_id"], ["place.id"], name=op.f("fk_shift_pattern_place_id_place")
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_shift_pattern_staff_id_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shift_pattern")),
    )
    with op.batch_alter_table("shift_pattern") as table:
        table.create_index(table.f("ix_shift_pattern_place_id"), ["place_id"])
    op.create_table(
        "shift_swap",
        sa.Column("id", _ID, nullable=False),
        sa.Column("shift_id", _ID, nullable=False),
        sa.Column("from_id", _ID, nullable=False),
        sa.Column("to_id", _ID, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("asked_at", _MOMENT, nullable=False),
        sa.Column("agreed_at", _MOMENT, nullable=True),
        sa.Column("settled_at", _MOMENT, nullable=True),
        sa.Column("settled_by", _ID, nullable=True),
        sa.ForeignKeyConstraint(
            ["from_id"], ["staff.id"], name=op.f("fk_shift_swap_from_id_staff")
        ),
        sa.ForeignKeyConstraint(
            ["settled_by"], ["staff.id"], name=op.f("fk_shift_swap_settled_by_staff")
        ),
        sa.ForeignKeyConstraint(
            ["shift_id"], ["shift.id"], name=op.f("fk_shift_swap_shift_id_shift")
        ),
        sa.ForeignKeyConstraint(["to_id"], ["staff.id"], name=op.f("fk_shift_swap_to_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shift_swap")),
    )
    with op.batch_alter_table("shift_swap") as table:
        table.create_index(table.f("ix_shift_swap_shift_id"), ["shift_id"])
        table.create_index(table.f("ix_shift_swap_to_id"), ["to_id"])
    op.create_table(
        "drill",
        sa.Column("id", _ID, nullable=False),
        sa.Column("place_id", _ID, nullable=False),
        sa.Column("case_id", _ID, nullable=True),
        sa.Column("level", sa.String(length=2), nullable=False),
        sa.Column("started_by", _ID, nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("report", _JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["risk_case.id"], name=op.f("fk_drill_case_id_risk_case")
        ),
        sa.ForeignKeyConstraint(["place_id"], ["place.id"], name=op.f("fk_drill_place_id_place")),
        sa.ForeignKeyConstraint(
            ["started_by"], ["staff.id"], name=op.f("fk_drill_started_by_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drill")),
    )
    with op.batch_alter_table("drill") as table:
        table.create_index(table.f("ix_drill_place_id"), ["place_id"])


def _add_desk() -> None:
    op.create_table(
        "draft",
        sa.Column("id", _ID, nullable=False),
        sa.Column("staff_id", _ID, nullable=False),
        sa.Column("field", sa.String(length=80), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_draft_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_draft")),
        sa.UniqueConstraint("staff_id", "field", name=op.f("uq_draft_staff_id_field")),
    )
    op.create_table(
        "level_words",
        sa.Column("place_id", _ID, nullable=False),
        sa.Column("words", _JSON, nullable=False),
        sa.Column("made_by", _ID, nullable=False),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["made_by"], ["staff.id"], name=op.f("fk_level_words_made_by_staff")
        ),
        sa.ForeignKeyConstraint(
            ["place_id"], ["place.id"], name=op.f("fk_level_words_place_id_place")
        ),
        sa.PrimaryKeyConstraint("place_id", name=op.f("pk_level_words")),
    )
    op.create_table(
        "presence",
        sa.Column("staff_id", _ID, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("since", _MOMENT, nullable=False),
        sa.Column("seen_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_presence_staff_id_staff")
        ),
        sa.PrimaryKeyConstraint("staff_id", name=op.f("pk_presence")),
    )
    op.create_table(
        "case_offer",
        sa.Column("id", _ID, nullable=False),
        sa.Column("case_id", _ID, nullable=False),
        sa.Column("staff_id", _ID, nullable=False),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.Column("until", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.Column("ended_as", sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["risk_case.id"], name=op.f("fk_case_offer_case_id_risk_case")
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_case_offer_staff_id_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_offer")),
    )
    with op.batch_alter_table("case_offer") as table:
        table.create_index("ix_case_offer_case_id", ["case_id"])
        table.create_index(
            "uq_case_offer_running_case",
            ["case_id"],
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )
        table.create_index(
            "uq_case_offer_running_staff",
            ["staff_id"],
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )


def _add_file() -> None:
    op.create_table(
        "form_definition",
        sa.Column("id", _ID, nullable=False),
        sa.Column("place_id", _ID, nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("fields", _JSON, nullable=False),
        sa.Column("made_by", _ID, nullable=False),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["made_by"], ["staff.id"], name=op.f("fk_form_definition_made_by_staff")
        ),
        sa.ForeignKeyConstraint(
            ["place_id"], ["place.id"], name=op.f("fk_form_definition_place_id_place")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_form_definition")),
        sa.UniqueConstraint(
            "place_id", "kind", "version", name=op.f("uq_form_definition_place_id_kind_version")
        ),
    )
    op.create_table(
        "attachment",
        sa.Column("id", _ID, nullable=False),
        sa.Column("case_id", _ID, nullable=False),
        sa.Column("staff_id", _ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.String(length=80), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("removed_at", _MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["case_id"], ["risk_case.id"], name=op.f("fk_attachment_case_id_risk_case")
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_attachment_staff_id_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachment")),
    )
    with op.batch_alter_table("attachment") as table:
        table.create_index(table.f("ix_attachment_case_id"), ["case_id"])
    op.create_table(
        "case_form",
        sa.Column("id", _ID, nullable=False),
        sa.Column("case_id", _ID, nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("definition_id", _ID, nullable=True),
        sa.Column("fields", _JSON, nullable=False),
        sa.Column("answers", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("author_id", _ID, nullable=False),
        sa.Column("amends_id", _ID, nullable=True),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.Column("signed_at", _MOMENT, nullable=True),
        sa.Column("row_version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["amends_id"], ["case_form.id"], name=op.f("fk_case_form_amends_id_case_form")
        ),
        sa.ForeignKeyConstraint(
            ["author_id"], ["staff.id"], name=op.f("fk_case_form_author_id_staff")
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["risk_case.id"], name=op.f("fk_case_form_case_id_risk_case")
        ),
        sa.ForeignKeyConstraint(
            ["definition_id"],
            ["form_definition.id"],
            name=op.f("fk_case_form_definition_id_form_definition"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_form")),
    )
    with op.batch_alter_table("case_form") as table:
        table.create_index(table.f("ix_case_form_case_id"), ["case_id"])
    op.create_table(
        "read_reason",
        sa.Column("id", _ID, nullable=False),
        sa.Column("staff_id", _ID, nullable=False),
        sa.Column("case_id", _ID, nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=24), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["risk_case.id"], name=op.f("fk_read_reason_case_id_risk_case")
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_read_reason_staff_id_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_read_reason")),
        sa.UniqueConstraint(
            "staff_id", "case_id", "day", name=op.f("uq_read_reason_staff_id_case_id_day")
        ),
    )
    with op.batch_alter_table("read_reason") as table:
        table.create_index(table.f("ix_read_reason_case_id"), ["case_id"])
    op.create_table(
        "told",
        sa.Column("id", _ID, nullable=False),
        sa.Column("case_id", _ID, nullable=False),
        sa.Column("staff_id", _ID, nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("who", sa.String(length=24), nullable=False),
        sa.Column("guardian_id", _ID, nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("way", sa.String(length=16), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("reached", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["risk_case.id"], name=op.f("fk_told_case_id_risk_case")
        ),
        sa.ForeignKeyConstraint(
            ["guardian_id"], ["guardian.id"], name=op.f("fk_told_guardian_id_guardian")
        ),
        sa.ForeignKeyConstraint(["staff_id"], ["staff.id"], name=op.f("fk_told_staff_id_staff")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_told")),
    )
    with op.batch_alter_table("told") as table:
        table.create_index(table.f("ix_told_case_id"), ["case_id"])


def _add_care() -> None:
    op.create_table(
        "care_plan",
        sa.Column("id", _ID, nullable=False),
        sa.Column("case_id", _ID, nullable=False),
        sa.Column("child_id", _ID, nullable=True),
        sa.Column("owner_id", _ID, nullable=False),
        sa.Column("goal", sa.Text(), nullable=False),
        sa.Column("steps", sa.Text(), nullable=False),
        sa.Column("review_at", _MOMENT, nullable=False),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.Column("row_version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["risk_case.id"], name=op.f("fk_care_plan_case_id_risk_case")
        ),
        sa.ForeignKeyConstraint(
            ["child_id"], ["child.id"], name=op.f("fk_care_plan_child_id_child")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["staff.id"], name=op.f("fk_care_plan_owner_id_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_care_plan")),
    )
    with op.batch_alter_table("care_plan") as table:
        table.create_index(table.f("ix_care_plan_case_id"), ["case_id"])
        table.create_index(table.f("ix_care_plan_child_id"), ["child_id"])
    op.create_table(
        "care_task",
        sa.Column("id", _ID, nullable=False),
        sa.Column("case_id", _ID, nullable=False),
        sa.Column("child_id", _ID, nullable=False),
        sa.Column("place_id", _ID, nullable=False),
        sa.Column("made_by", _ID, nullable=False),
        sa.Column("made_at", _MOMENT, nullable=False),
        sa.Column("until", _MOMENT, nullable=False),
        sa.Column("do", sa.Text(), nullable=False),
        sa.Column("dont", sa.Text(), nullable=False),
        sa.Column("seen_at", _MOMENT, nullable=True),
        sa.Column("done_at", _MOMENT, nullable=True),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["risk_case.id"], name=op.f("fk_care_task_case_id_risk_case")
        ),
        sa.ForeignKeyConstraint(
            ["child_id"], ["child.id"], name=op.f("fk_care_task_child_id_child")
        ),
        sa.ForeignKeyConstraint(["made_by"], ["staff.id"], name=op.f("fk_care_task_made_by_staff")),
        sa.ForeignKeyConstraint(
            ["place_id"], ["place.id"], name=op.f("fk_care_task_place_id_place")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_care_task")),
    )
    with op.batch_alter_table("care_task") as table:
        table.create_index(table.f("ix_care_task_case_id"), ["case_id"])
        table.create_index(table.f("ix_care_task_child_id"), ["child_id"])
        table.create_index(table.f("ix_care_task_place_id"), ["place_id"])
    op.create_table(
        "follow_up",
        sa.Column("id", _ID, nullable=False),
        sa.Column("case_id", _ID, nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("due_at", _MOMENT, nullable=False),
        sa.Column("owner_id", _ID, nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("done_at", _MOMENT, nullable=True),
        sa.Column("done_by", _ID, nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("row_version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["risk_case.id"], name=op.f("fk_follow_up_case_id_risk_case")
        ),
        sa.ForeignKeyConstraint(["done_by"], ["staff.id"], name=op.f("fk_follow_up_done_by_staff")),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["staff.id"], name=op.f("fk_follow_up_owner_id_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_follow_up")),
        sa.UniqueConstraint(
            "case_id", "kind", "due_at", name=op.f("uq_follow_up_case_id_kind_due_at")
        ),
    )
    with op.batch_alter_table("follow_up") as table:
        table.create_index("ix_follow_up_state_due_at", ["state", "due_at"])
    op.create_table(
        "worry",
        sa.Column("id", _ID, nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("case_id", _ID, nullable=False),
        sa.Column("place_id", _ID, nullable=False),
        sa.Column("child_id", _ID, nullable=True),
        sa.Column("author_id", _ID, nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("answered_at", _MOMENT, nullable=True),
        sa.Column("answered_by", _ID, nullable=True),
        sa.ForeignKeyConstraint(
            ["answered_by"], ["staff.id"], name=op.f("fk_worry_answered_by_staff")
        ),
        sa.ForeignKeyConstraint(["author_id"], ["staff.id"], name=op.f("fk_worry_author_id_staff")),
        sa.ForeignKeyConstraint(
            ["case_id"], ["risk_case.id"], name=op.f("fk_worry_case_id_risk_case")
        ),
        sa.ForeignKeyConstraint(["child_id"], ["child.id"], name=op.f("fk_worry_child_id_child")),
        sa.ForeignKeyConstraint(["place_id"], ["place.id"], name=op.f("fk_worry_place_id_place")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_worry")),
        sa.UniqueConstraint("key", name=op.f("uq_worry_key")),
    )
    with op.batch_alter_table("worry") as table:
        table.create_index(table.f("ix_worry_case_id"), ["case_id"])
        table.create_index(table.f("ix_worry_place_id"), ["place_id"])


def _add_calls() -> None:
    op.create_table(
        "phone_call",
        sa.Column("id", _ID, nullable=False),
        sa.Column("case_id", _ID, nullable=False),
        sa.Column("place_id", _ID, nullable=False),
        sa.Column("staff_id", _ID, nullable=False),
        sa.Column("started_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.Column("direction", sa.String(length=8), nullable=False),
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["case_id"], ["risk_case.id"], name=op.f("fk_phone_call_case_id_risk_case")
        ),
        sa.ForeignKeyConstraint(
            ["place_id"], ["place.id"], name=op.f("fk_phone_call_place_id_place")
        ),
        sa.ForeignKeyConstraint(
            ["staff_id"], ["staff.id"], name=op.f("fk_phone_call_staff_id_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_phone_call")),
    )
    with op.batch_alter_table("phone_call") as table:
        table.create_index(table.f("ix_phone_call_case_id"), ["case_id"])
        table.create_index(table.f("ix_phone_call_place_id"), ["place_id"])
    op.create_table(
        "report",
        sa.Column("id", _ID, nullable=False),
        sa.Column("case_id", _ID, nullable=False),
        sa.Column("addressee", sa.String(length=16), nullable=False),
        sa.Column("basis", sa.String(length=32), nullable=False),
        sa.Column("decided_by", _ID, nullable=False),
        sa.Column("decided_at", _MOMENT, nullable=False),
        sa.Column("agreed_by", _ID, nullable=True),
        sa.Column("agreed_at", _MOMENT, nullable=True),
        sa.Column("made_at", _MOMENT, nullable=True),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("officer", sa.Text(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("refused", sa.Boolean(), nullable=False),
        sa.Column("row_version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["agreed_by"], ["staff.id"], name=op.f("fk_report_agreed_by_staff")
        ),
        sa.ForeignKeyConstraint(
            ["case_id"], ["risk_case.id"], name=op.f("fk_report_case_id_risk_case")
        ),
        sa.ForeignKeyConstraint(
            ["decided_by"], ["staff.id"], name=op.f("fk_report_decided_by_staff")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report")),
    )
    with op.batch_alter_table("report") as table:
        table.create_index(table.f("ix_report_case_id"), ["case_id"])


def _add_columns() -> None:
    with op.batch_alter_table("risk_case") as table:
        table.add_column(sa.Column("child_id", _ID, nullable=True))
        table.add_column(sa.Column("second_id", _ID, nullable=True))
        table.add_column(sa.Column("judged_level", sa.String(length=2), nullable=True))
        table.add_column(sa.Column("judged_by", _ID, nullable=True))
        table.add_column(sa.Column("judged_at", _MOMENT, nullable=True))
        table.add_column(sa.Column("guardian_at", _MOMENT, nullable=True))
        table.add_column(
            sa.Column("guardians_barred", sa.Boolean(), server_default=sa.false(), nullable=False)
        )
        table.create_index(table.f("ix_risk_case_child_id"), ["child_id"])
        table.create_foreign_key(
            table.f("fk_risk_case_judged_by_staff"), "staff", ["judged_by"], ["id"]
        )
        table.create_foreign_key(
            table.f("fk_risk_case_child_id_child"), "child", ["child_id"], ["id"]
        )
        table.create_foreign_key(
            table.f("fk_risk_case_second_id_staff"), "staff", ["second_id"], ["id"]
        )
    with op.batch_alter_table("shift") as table:
        table.add_column(sa.Column("pattern_id", _ID, nullable=True))
        table.create_foreign_key(
            table.f("fk_shift_pattern_id_shift_pattern"), "shift_pattern", ["pattern_id"], ["id"]
        )


def downgrade() -> None:
    """Take them away."""
    with op.batch_alter_table("shift") as table:
        table.drop_constraint(table.f("fk_shift_pattern_id_shift_pattern"), type_="foreignkey")
        table.drop_column("pattern_id")

    with op.batch_alter_table("risk_case") as table:
        table.drop_constraint(table.f("fk_risk_case_second_id_staff"), type_="foreignkey")
        table.drop_constraint(table.f("fk_risk_case_child_id_child"), type_="foreignkey")
        table.drop_constraint(table.f("fk_risk_case_judged_by_staff"), type_="foreignkey")
        table.drop_index(table.f("ix_risk_case_child_id"))
        table.drop_column("guardians_barred")
        table.drop_column("guardian_at")
        table.drop_column("judged_at")
        table.drop_column("judged_by")
        table.drop_column("judged_level")
        table.drop_column("second_id")
        table.drop_column("child_id")
    for name in reversed(_TABLES):
        op.drop_table(name)
