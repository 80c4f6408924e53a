"""The door of every page: access table, login, CSRF, errors, headers.

A page is an async function of a `Call`; it is reachable only through `Guard.route`, which needs a
line of `bot.web.table.TABLE`.
"""

import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from bot.core.errors import NotAllowed, NotSignedIn, XinqingError
from bot.db import field_keys
from bot.services import rights, staff
from bot.services.staff import SignedIn, StaffView
from bot.web.access import Access
from bot.web.forms import Form, Upload, read_form
from bot.web.headers import on_loopback, secure
from bot.web.ports import PageServices
from bot.web.render import Renderer
from bot.web.table import TABLE

LOGIN_COOKIE = "xinqing_login"
FORM_COOKIE = "xinqing_form"
FORM_PURPOSE = "form"


class FormExpired(NotAllowed):
    """The form's token does not fit: it was open too long, or another site sent it."""

    phrase_key = "error.form"


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a page.

    Args:
        csrf: the token that forms on the page have to send back.
        form: fields of a POST, cleaned.
        files: what came with them, on a page that takes files.
    """

    request: Request
    services: PageServices
    pages: Renderer
    signed_in: SignedIn | None
    csrf: str
    form: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Upload] = field(default_factory=dict)

    @property
    def staff(self) -> StaffView:
        """Return the signed-in person.

        Raises:
            NotSignedIn: on a page that anyone may call.
        """
        if self.signed_in is None:
            raise NotSignedIn("not signed in")
        return self.signed_in.staff

    async def staff_now(self) -> StaffView | None:
        """Return the person with the rights of this moment, for a stream that stays open.

        None when the login has ended: then the stream has to end too.
        """
        if self.signed_in is None:
            return None
        return await self.services.live.logins.still(self.signed_in.login_id)

    def page(self, template: str, *, status: int = 200, **values: object) -> Response:
        """Render a template for this caller."""
        common = {
            "me": self.signed_in.staff if self.signed_in else None,
            "csrf": self.csrf,
            "mode": self.services.mode,
            "here": self.request.url.path,
            "now": self.services.clock.now(),
        }
        return self.pages.response(template, common | values, status=status)


Page = Callable[[Call], Awaitable[Response]]


class Guard:
    """Makes routes out of pages."""

    def __init__(self, services: PageServices, pages: Renderer) -> None:
        self.services = services
        self.pages = pages

    def route(self, method: str, path: str, page: Page) -> Route:
        """Return the route of a page; a page that is not in the access table can't be built."""
        access = TABLE[method, path]

        async def endpoint(request: Request) -> Response:
            return await self._serve(request, access, page)

        return Route(path, endpoint, methods=[method], name=f"{method} {path}")

    async def _serve(self, request: Request, access: Access, page: Page) -> Response:
        nonce = request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(18)
        signed_in: SignedIn | None = None
        try:
            signed_in = await self._who(request, access)
            access.check(signed_in.staff if signed_in else None, self.services.mode)
            if signed_in and (first := self._first(signed_in.staff, access)):
                return secure(RedirectResponse(first, 303), request)
            await self._touch(signed_in, access)
            csrf = self._csrf(signed_in, access, nonce)
            form = await read_form(request, access) if request.method == "POST" else Form()
            if request.method == "POST" and not self._fits(form.fields, signed_in, access, nonce):
                raise FormExpired("csrf")
            with _keys_of(signed_in, access):
                call = Call(
                    request, self.services, self.pages, signed_in, csrf, form.fields, form.files
                )
                response = await page(call)
        except XinqingError as error:
            response = self._refused(request, access, error, signed_in)
        except ClientDisconnect:
            response = Response(status_code=400)
        if access.anyone and FORM_COOKIE not in request.cookies:
            set_cookie(response, request, FORM_COOKIE, nonce)
        return secure(response, request)

    def _first(self, person: StaffView, access: Access) -> str:
        """Return the page that has to be seen to before any other, empty when there is none."""
        if access.anyone:
            return ""
        if person.must_change_password and not access.unchanged_password:
            return "/password"
        demanded = self.services.second_factor_required and not person.has_factor
        if demanded and not access.without_factor and rights.needs_factor(person):
            return "/account/second-factor"
        return ""

    async def _who(self, request: Request, access: Access) -> SignedIn | None:
        token = request.cookies.get(LOGIN_COOKIE)
        if not token or len(token) > 128:
            return None
        return await self.services.live.logins.identify(
            self.services.ring, token, waiting=access.before_code
        )

    async def _touch(self, signed_in: SignedIn | None, access: Access) -> None:
        now = self.services.clock.now()
        if signed_in is None or access.by_itself or not signed_in.due_touch(now):
            return
        async with self.services.database.write() as session:
            await staff.touch(session, login_id=signed_in.login_id, now=now)

    def _csrf(self, signed_in: SignedIn | None, access: Access, nonce: str) -> str:
        """Return the page's token: the login's own, or one that is bound to a cookie."""
        if signed_in is not None and not access.anyone:
            return signed_in.csrf
        return self.services.ring.sign(nonce, purpose=FORM_PURPOSE)

    def _fits(
        self, form: Mapping[str, str], signed_in: SignedIn | None, access: Access, nonce: str
    ) -> bool:
        sent = form.get("csrf", "")
        if signed_in is not None and not access.anyone:
            return hmac.compare_digest(sent.encode(), signed_in.csrf.encode())
        return sent.isascii() and self.services.ring.verify(nonce, sent, purpose=FORM_PURPOSE)

    def _refused(
        self,
        request: Request,
        access: Access,
        error: XinqingError,
        signed_in: SignedIn | None,
    ) -> Response:
        whole_page = request.method == "GET" and not access.by_itself
        if isinstance(error, NotSignedIn) and whole_page:
            return RedirectResponse(f"/login?next={quote(request.url.path)}", 303)
        return self.pages.error(error, signed_in)


def set_cookie(
    response: Response, request: Request, name: str, value: str, max_age: int | None = None
) -> None:
    """Set a cookie that scripts can't read and that other sites' forms don't carry."""
    response.set_cookie(
        name,
        value,
        max_age=max_age,
        path="/",
        httponly=True,
        samesite="lax",
        secure=not on_loopback(request),
    )


def _keys_of(signed_in: SignedIn | None, access: Access) -> AbstractContextManager[None]:
    """Keep a page of the staff from reading another district's fields by mistake."""
    if signed_in is None or access.anyone:
        return nullcontext()
    return field_keys.of_staff(signed_in.staff.at(*signed_in.staff.roles))
