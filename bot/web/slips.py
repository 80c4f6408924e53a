"""`/teacher/classes/{id}/slips`: slips of paper by which guardians of a class bind themselves."""

from markupsafe import Markup
from starlette.responses import Response

from bot.core import kin, slips
from bot.core.errors import InputInvalid
from bot.services import binding_slips, class_codes
from bot.services.binding_slips import ALL, UNBOUND
from bot.web.bindings_words import word
from bot.web.guard import Call


async def page(call: Call, *, status: int = 200, trouble: str = "") -> Response:
    """Show the class, who has bound already, and for whom slips can be printed."""
    now = call.services.clock.now()
    async with call.services.database.write() as session:
        shown = await binding_slips.of_class(
            session, call.staff, call.request.path_params["class_id"], now
        )
    return call.page(
        "teacher_slips.html",
        status=status,
        c=shown,
        counts={who: len(binding_slips.for_whom(shown.children, who)) for who in (UNBOUND, ALL)},
        days=binding_slips.VALID.days,
        most=binding_slips.MOST_SLIPS,
        relation=kin.relation_word,
        trouble=trouble,
    )


async def print_(call: Call) -> Response:
    """Make the slips and show them as a page to print: the codes are never shown again."""
    class_id = call.request.path_params["class_id"]
    services = call.services
    now = services.clock.now()
    try:
        async with services.database.write() as session:
            shown = await binding_slips.of_class(session, call.staff, class_id, now)
            made = await binding_slips.make(
                session, services.ring, call.staff, class_id, call.form.get("who", ""), now=now
            )
    except InputInvalid as error:
        return await page(call, status=422, trouble=word("trouble", error.field))
    scenes = [slips.scene_of(slip.code) for slip in made]
    codes = await class_codes.passing(services.class_codes, scenes, days=binding_slips.VALID.days)
    return call.page(
        "teacher_slips_print.html",
        c=shown,
        slips=[
            (
                slip,
                slips.shown(slip.code),
                [(name, Markup(class_codes.svg(url))) for name, url in drawn],
            )
            for slip, drawn in zip(made, codes.values(), strict=True)
        ],
        days=binding_slips.VALID.days,
        relation=kin.relation_word,
    )
