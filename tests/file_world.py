"""One row of every table of a case's file, for tests of who sees it and how it is forgotten."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.db.base import Base
from bot.db.models import (
    Attachment,
    CarePlan,
    CareTask,
    Case,
    CaseEvent,
    CaseForm,
    CaseOffer,
    Child,
    DeskEvent,
    Drill,
    FollowUp,
    PhoneCall,
    Place,
    ReadReason,
    Report,
    Staff,
    Told,
    Worry,
)

# What nobody but those who work on the case may ever be shown.
SECRET = "只有值班台能看到的字"
FIELDS = [{"key": "basis", "label": "依据", "kind": "long"}]


async def fill_file(
    session: AsyncSession, case: Case, staff: Staff, place: Place, child: Child, *, at: datetime
) -> list[Base]:
    """Add one row of each table of the file to a case; every text in it is `SECRET`."""
    case.child_id = child.id
    of, by = {"case_id": case.id}, {"staff_id": staff.id}
    signed = CaseForm(
        **of,
        kind="risk",
        fields=FIELDS,
        answers={"basis": SECRET},
        state="signed",
        author_id=staff.id,
        made_at=at,
        signed_at=at,
    )
    session.add(signed)
    await session.flush()
    rows: list[Base] = [
        signed,
        CaseForm(
            **of,
            kind="risk",
            fields=FIELDS,
            answers={"basis": SECRET},
            author_id=staff.id,
            amends_id=signed.id,
            made_at=at,
        ),
        *_about_people(of, by, at),
        CarePlan(
            **of,
            child_id=child.id,
            owner_id=staff.id,
            goal=SECRET,
            steps=SECRET,
            review_at=at,
            made_at=at,
        ),
        FollowUp(**of, kind="1w", due_at=at, owner_id=staff.id, note=SECRET),
        PhoneCall(
            **of, **by, place_id=place.id, started_at=at, caller=SECRET, phone=SECRET, note=SECRET
        ),
        CareTask(
            **of,
            child_id=child.id,
            place_id=place.id,
            made_by=staff.id,
            made_at=at,
            until=at + timedelta(days=7),
            do=SECRET,
            dont=SECRET,
            answer=SECRET,
        ),
        Worry(
            **of,
            key=f"{case.id}",
            place_id=place.id,
            child_id=child.id,
            author_id=staff.id,
            words=SECRET,
            at=at,
        ),
        *_about_work(of, by, place, at),
    ]
    session.add_all(rows)
    await session.flush()
    return rows


def _about_people(of: dict[str, int], by: dict[str, int], at: datetime) -> list[Base]:
    return [
        Told(
            **of,
            **by,
            at=at,
            who="guardian",
            name=SECRET,
            way="phone",
            words=SECRET,
            answer=SECRET,
            reached=True,
        ),
        Attachment(
            **of,
            **by,
            name=SECRET,
            media_type="image/png",
            size=4,
            digest="0" * 64,
            content=SECRET,
            at=at,
        ),
        Report(
            **of,
            addressee="police",
            basis="minor_law_11",
            decided_by=by["staff_id"],
            decided_at=at,
            made_at=at,
            words=SECRET,
            number=SECRET,
            officer=SECRET,
            result=SECRET,
        ),
    ]


def _about_work(of: dict[str, int], by: dict[str, int], place: Place, at: datetime) -> list[Base]:
    return [
        ReadReason(**of, **by, day="2020-01-01", reason="other", words=SECRET, at=at),
        CaseOffer(**of, **by, made_at=at, until=at, ended_at=at, ended_as="taken"),
        CaseEvent(**of, **by, at=at, kind="report_made", data={"to": "police"}),
        DeskEvent(**of, at=at, kind="report", place_id=place.id),
        Drill(**of, place_id=place.id, level="3", started_by=by["staff_id"], started_at=at),
    ]
