"""The second factor: one's own, and a colleague's that has to be set up anew."""

from io import BytesIO

import segno
from markupsafe import Markup
from starlette.responses import RedirectResponse, Response

from bot.core.errors import Conflict, InputInvalid
from bot.services import rights, second_factor
from bot.services.brakes import SignInRefused
from bot.services.second_factor import RESET_REASONS
from bot.web.guard import Call
from bot.web.login import code_problem
from bot.web.render import label

OWN = "/account/second-factor"
DONE = ("removed",)


async def factor_page(call: Call) -> Response:
    """Show whether one's second factor is set up, or the QR code of one that was begun."""
    done = call.request.query_params.get("done", "")
    return await _factor_page(call, notice=label("factor", done) if done in DONE else "")


async def _factor_page(
    call: Call,
    *,
    status: int = 200,
    notice: str = "",
    problem: str = "",
    codes: list[str] | None = None,
) -> Response:
    async with call.services.database.read() as session:
        found = await second_factor.state(session, call.staff.id)
        secret = await second_factor.pending(session, call.staff.id)
    required = call.services.second_factor_required and rights.needs_factor(call.staff)
    return call.page(
        "account_factor.html",
        status=status,
        found=found,
        secret=" ".join(secret[i : i + 4] for i in range(0, len(secret), 4)) if secret else "",
        picture=_qr(second_factor.address(call.staff.login, secret)) if secret else "",
        codes=codes or [],
        required=required,
        notice=notice,
        problem=problem,
    )


def _qr(text: str) -> Markup:
    out = BytesIO()
    segno.make(text, error="m").save(
        out, kind="svg", scale=5, border=4, xmldecl=False, svgns=False, title="二维码"
    )
    return Markup(out.getvalue().decode())


async def begin(call: Call) -> Response:
    """Begin to set one's second factor up."""
    try:
        async with call.services.database.write() as session:
            await second_factor.begin(session, call.staff.id)
    except Conflict as error:
        return await _factor_page(call, status=error.status, problem=label("factor", "again"))
    return RedirectResponse(OWN, 303)


async def confirm(call: Call) -> Response:
    """Take the new app into use; the recovery codes are shown by this answer and never again."""
    return await _with_code(call, "set")


async def codes(call: Call) -> Response:
    """Make new recovery codes."""
    return await _with_code(call, "codes")


async def remove(call: Call) -> Response:
    """Take one's second factor out of use."""
    return await _with_code(call, "remove")


async def _with_code(call: Call, what: str) -> Response:
    assert call.signed_in is not None
    services = call.services
    act = {
        "set": second_factor.confirm,
        "codes": second_factor.renew_codes,
        "remove": second_factor.remove,
    }[what]
    try:
        shown = await act(
            services.database,
            services.ring,
            caller=call.signed_in,
            code=call.form.get("code", ""),
            now=services.clock.now(),
        )
    except SignInRefused as error:
        return await _factor_page(call, status=error.status, problem=code_problem(error))
    except Conflict as error:
        return await _factor_page(call, status=error.status, problem=label("factor", "expired"))
    if shown is None:
        return RedirectResponse(f"{OWN}?done=removed", 303)
    return await _factor_page(call, codes=shown, notice=label("factor", what))


async def reset_form(call: Call) -> Response:
    """Ask why a colleague's second factor is to be taken away."""
    return await _reset_page(call)


async def _reset_page(
    call: Call, *, status: int = 200, problem: str = "", done: bool = False
) -> Response:
    staff_id: int = call.request.path_params["staff_id"]
    now = call.services.clock.now()
    async with call.services.database.read() as session:
        person = await rights.require_over(session, call.staff, "factor.reset", staff_id, now)
    return call.page(
        "account_factor_reset.html",
        status=status,
        person=person,
        reasons=RESET_REASONS,
        problem=problem,
        done=done,
    )


async def reset(call: Call) -> Response:
    """Take a colleague's second factor away, with a reason."""
    staff_id: int = call.request.path_params["staff_id"]
    try:
        async with call.services.database.write() as session:
            await second_factor.reset(
                session,
                call.staff,
                staff_id=staff_id,
                reason=call.form.get("reason", ""),
                now=call.services.clock.now(),
            )
    except InputInvalid as error:
        return await _reset_page(call, status=error.status, problem=label("factor", "no_reason"))
    return await _reset_page(call, done=True)
