"""Signing in and out, and changing one's password."""

from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from bot.core.errors import InputInvalid
from bot.services import audit, second_factor, staff
from bot.services.brakes import SignInRefused, SignInSlowed
from bot.services.staff import SignedIn
from bot.web.guard import LOGIN_COOKIE, Call, set_cookie
from bot.web.headers import on_loopback
from bot.web.render import error_words, label

HOME_BY_ROLE = (
    ("counselor", "/desk"),
    ("district", "/desk"),
    ("lead", "/desk"),
    ("teacher", "/teacher"),
    ("admin", "/admin"),
)


async def login_form(call: Call) -> Response:
    """Show the login form; whoever has signed in already goes on."""
    goal = _local(call.request.query_params.get("next", ""))
    if call.signed_in is not None:
        return RedirectResponse(goal or _home(call.staff), 303)
    return _form(call, goal=goal)


async def login(call: Call) -> Response:
    """Check login and password, set the cookie and go on."""
    goal = _local(call.form.get("next", ""))
    client = call.request.client
    try:
        opened = await staff.sign_in(
            call.services.database,
            call.services.ring,
            login=call.form.get("login", ""),
            password=call.form.get("password", ""),
            address=client.host if client else "",
            now=call.services.clock.now(),
        )
    except SignInRefused as error:
        return _form(call, goal=goal, error=error)
    if opened.waits_for_code:
        return _entered(call, opened, f"/login/code?{urlencode({'next': goal})}")
    return _entered(call, opened, _onward(opened, goal))


def _entered(call: Call, opened: SignedIn, target: str) -> Response:
    response = RedirectResponse(target, 303)
    lifetime = int((opened.expires_at - call.services.clock.now()).total_seconds())
    set_cookie(response, call.request, LOGIN_COOKIE, opened.token, lifetime)
    return response


def _onward(opened: SignedIn, goal: str) -> str:
    if opened.staff.must_change_password:
        return "/password"
    return goal if goal and not goal.startswith("/login") else _home(opened.staff)


async def code_form(call: Call) -> Response:
    """Ask for the second factor; a login that is open already goes on."""
    assert call.signed_in is not None
    goal = _local(call.request.query_params.get("next", ""))
    if not call.signed_in.waits_for_code:
        return RedirectResponse(_onward(call.signed_in, goal), 303)
    return _code_form(call, goal)


async def code(call: Call) -> Response:
    """Check the second factor and open the login."""
    assert call.signed_in is not None
    goal = _local(call.form.get("next", ""))
    if not call.signed_in.waits_for_code:
        return RedirectResponse(_onward(call.signed_in, goal), 303)
    try:
        opened = await second_factor.finish_sign_in(
            call.services.database,
            call.services.ring,
            caller=call.signed_in,
            code=call.form.get("code", ""),
            now=call.services.clock.now(),
        )
    except SignInRefused as error:
        return _code_form(call, goal, error)
    return _entered(call, opened, _onward(opened, goal))


def _code_form(call: Call, goal: str, error: SignInRefused | None = None) -> Response:
    # Nothing of the person is shown before the code.
    response = call.page(
        "login_code.html",
        status=error.status if error else 200,
        me=None,
        goal=goal,
        problem=code_problem(error) if error else "",
    )
    if isinstance(error, SignInSlowed):
        response.headers["Retry-After"] = str(error.seconds)
    return response


def code_problem(error: SignInRefused) -> str:
    """Return in Chinese why a code was not taken."""
    if isinstance(error, SignInSlowed):
        return label("factor", "slowed", seconds=str(error.seconds))
    return label("factor", "refused")


def _form(call: Call, *, goal: str, error: SignInRefused | None = None) -> Response:
    insecure = call.request.url.scheme == "http" and not on_loopback(call.request)
    response = call.page(
        "login.html",
        status=error.status if error else 200,
        goal=goal,
        login=call.form.get("login", ""),
        problem=error_words(error.phrase_key) if error else None,
        insecure=insecure,
    )
    if isinstance(error, SignInSlowed):
        response.headers["Retry-After"] = str(error.seconds)
    return response


async def logout(call: Call) -> Response:
    """Forget this browser."""
    assert call.signed_in is not None
    now = call.services.clock.now()
    async with call.services.database.write() as session:
        await staff.sign_out(session, login_id=call.signed_in.login_id)
        await audit.record(
            session,
            staff_id=call.staff.id,
            action="signed_out",
            object_kind="staff",
            object_id=call.staff.id,
            now=now,
        )
    response = RedirectResponse("/login", 303)
    response.delete_cookie(LOGIN_COOKIE, path="/")
    return response


async def password_form(call: Call) -> Response:
    """Show the form for a new password."""
    return call.page("password.html", problem="")


async def password(call: Call) -> Response:
    """Change one's own password."""
    assert call.signed_in is not None
    new = call.form.get("new", "")
    if new != call.form.get("again", ""):
        return call.page("password.html", status=422, problem=label("password", "differ"))
    try:
        await staff.change_password(
            call.services.database,
            staff_id=call.staff.id,
            login_id=call.signed_in.login_id,
            old=call.form.get("old", ""),
            new=new,
            now=call.services.clock.now(),
        )
    except SignInRefused as error:
        problem = error_words(error.phrase_key)["title"]
        return call.page("password.html", status=error.status, problem=problem)
    except InputInvalid as error:
        problem = label("password", str(error).removeprefix("password."))
        return call.page("password.html", status=error.status, problem=problem)
    return RedirectResponse(_home(call.staff), 303)


def _home(person: staff.StaffView) -> str:
    """Return the page on which a person works."""
    return next((path for role, path in HOME_BY_ROLE if role in person.roles), "/")


def _local(goal: str) -> str:
    """Return a wish where to go on, if it is a page of ours."""
    plain = goal.startswith("/") and not goal.startswith(("//", "/\\"))
    return goal if plain and goal.isprintable() else ""
