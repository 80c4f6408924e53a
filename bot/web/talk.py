"""What people decide in a case from its page: level, guardians, child, notes, who works on it."""

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from bot.core import kin
from bot.db.models import Case
from bot.services import case_notes, case_people, case_steps, judging, read_states, transfers
from bot.web.case_acts import act
from bot.web.guard import Call


async def judge(call: Call) -> Response:
    """Keep a person's judgement of the level."""

    async def do(session: AsyncSession, call: Call, case: Case) -> None:
        await judging.judge(
            session,
            call.services.policy,
            call.staff,
            case,
            level=call.form.get("level", ""),
            reason=call.form.get("judge_reason", ""),
            now=call.services.clock.now(),
        )

    return await act(call, "judged", do, panel="judging")


async def bar(call: Call) -> Response:
    """Say that no guardian may be told, or that they may again."""

    async def do(session: AsyncSession, call: Call, case: Case) -> None:
        await judging.bar(
            session,
            call.staff,
            case,
            barred=call.form.get("barred") == "1",
            reason=call.form.get("bar_reason", ""),
            now=call.services.clock.now(),
        )

    return await act(call, "barred", do, panel="people")


async def choose_child(call: Call) -> Response:
    """Say which child a case is about."""

    async def do(session: AsyncSession, call: Call, case: Case) -> None:
        now = call.services.clock.now()
        chosen = _id(call, "child")
        await case_people.choose_child(session, call.staff, case, child_id=chosen, now=now)

    return await act(call, "child_chosen", do, panel="people")


async def note(call: Call) -> Response:
    """Write a note, or an addendum to a closed case."""

    async def do(session: AsyncSession, call: Call, case: Case) -> None:
        now = call.services.clock.now()
        await case_notes.write(session, call.staff, case, call.form.get("note_text", ""), now=now)

    return await act(call, "noted", do, panel="notes")


async def ask_read(call: Call) -> Response:
    """Ask the platform whether the parent has read what this person wrote."""

    async def do(session: AsyncSession, call: Call, case: Case) -> None:
        now = call.services.clock.now()
        await read_states.ask(session, call.staff, case, _id(call, "delivery") or 0, now=now)

    return await act(call, "read_asked", do, place="talk")


async def leave_out(call: Call) -> Response:
    """Leave a step before closing out, with a reason."""

    async def do(session: AsyncSession, call: Call, case: Case) -> None:
        await case_steps.leave_out(
            session,
            call.staff,
            case,
            step=call.form.get("step", ""),
            reason=call.form.get("step_reason", ""),
            now=call.services.clock.now(),
        )

    return await act(call, "left_out", do, place="close")


async def offer(call: Call) -> Response:
    """Ask a colleague to take the case over."""

    async def do(session: AsyncSession, call: Call, case: Case) -> None:
        await transfers.offer(
            session,
            call.staff,
            case,
            to_id=_id(call, "to") or 0,
            note=call.form.get("transfer_note", ""),
            now=call.services.clock.now(),
        )

    return await act(call, "transfer_offered", do, panel="together")


async def take(call: Call) -> Response:
    """Take a case over that a colleague offered."""

    async def do(session: AsyncSession, call: Call, case: Case) -> None:
        await transfers.take(session, call.staff, case, now=call.services.clock.now())

    return await act(call, "transfer_taken", do, place="case-head")


async def decline(call: Call) -> Response:
    """Say no to an offered case, or take one's own offer back."""

    async def do(session: AsyncSession, call: Call, case: Case) -> None:
        await transfers.decline(session, call.staff, case, now=call.services.clock.now())

    return await act(call, "transfer_over", do, panel="together")


async def call_district(call: Call) -> Response:
    """Call a case out up to the district."""

    async def do(session: AsyncSession, call: Call, case: Case) -> None:
        await transfers.call_district(
            session,
            call.services.policy,
            call.staff,
            case,
            note=call.form.get("district_note", ""),
            now=call.services.clock.now(),
        )

    return await act(call, "district_called", do, panel="together")


async def second(call: Call) -> Response:
    """Invite a second person, or let them go."""

    async def do(session: AsyncSession, call: Call, case: Case) -> None:
        now = call.services.clock.now()
        chosen = _id(call, "second")
        await transfers.invite(session, call.staff, case, second_id=chosen, now=now)

    return await act(call, "second_set", do, panel="together")


async def phones(call: Call) -> Response:
    """Show the phones of those who care for the child; each look is an audit entry."""
    case_id: int = call.request.path_params["case_id"]
    async with call.services.database.write() as session:
        case = await session.get_one(Case, case_id)
        now = call.services.clock.now()
        numbers = await case_people.phones(session, call.staff, case, now=now)
        found = await case_people.of_case(session, call.staff, case)
    return call.page(
        "case_phones.html", case=case, people=found, phones=numbers, relation=kin.relation_word
    )


def _id(call: Call, field: str) -> int | None:
    """Return the id that a form names; None for nothing and for what is no id."""
    sent = call.form.get(field, "")
    return int(sent) if sent.isascii() and sent.isdecimal() and len(sent) < 19 else None
