"""September's page: what becomes of each grade of a school, and the button that does it."""

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot.core.errors import InputInvalid
from bot.services import move_up
from bot.services.move_up import DECISIONS, Decision, Group, Plan
from bot.services.tree_log import TreeConflict
from bot.web.guard import Call
from bot.web.tree_words import chosen, explain, notice, number, word


async def move_up_page(call: Call) -> Response:
    """Show what would become of a school's grades."""
    return await _page(call, notice=notice(call))


async def _page(call: Call, *, status: int = 200, notice: str = "", trouble: str = "") -> Response:
    sent = call.form.get("school") or call.request.query_params.get("school", "")
    async with call.services.database.read() as session:
        schools = await move_up.schools(session, call.staff)
        plan = await _plan(session, call, sent, [school.id for school in schools])
    return call.page(
        "admin_tree_move_up.html",
        status=status,
        schools=schools,
        plan=plan,
        choices=_choices,
        chosen=_chosen(call, plan),
        notice=notice,
        trouble=trouble,
        word=word,
    )


async def _plan(session: AsyncSession, call: Call, sent: str, mine: list[int]) -> Plan | None:
    """Return the plan for the school that was asked for; for the only one without asking."""
    school = number(sent) if sent else mine[0] if len(mine) == 1 else -1
    if school < 0:
        return None
    return await move_up.plan(session, call.staff, school, now=call.services.clock.now())


def _choices(group: Group) -> list[Decision]:
    return [one for one in DECISIONS if one != "up" or group.becomes]


def _chosen(call: Call, plan: Plan | None) -> dict[str, str]:
    """Return what was chosen for each grade, or what is proposed."""
    groups = plan.groups if plan else ()
    return {group.key: call.form.get(f"d.{group.key}", group.decision) for group in groups}


async def carry_out(call: Call) -> Response:
    """Move a school up as decided."""
    decisions = {
        name.removeprefix("d."): value for name, value in call.form.items() if name.startswith("d.")
    }
    try:
        school = chosen(call, "school")
        async with call.services.database.write() as session:
            await move_up.carry_out(
                session,
                call.staff,
                school,
                decisions=decisions,
                digest=call.form.get("digest", ""),
                now=call.services.clock.now(),
            )
    except (TreeConflict, InputInvalid) as error:
        return await _page(call, status=error.status, trouble=explain(error))
    return RedirectResponse(f"/admin/tree/move-up?school={school}&done=up", 303)
