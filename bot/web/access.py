"""What it takes to call a page. Which page takes what stands in `bot.web.table`."""

from dataclasses import dataclass

from bot.core.errors import NotAllowed, NotFound, NotSignedIn
from bot.core.rights import right
from bot.services.staff import StaffView


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call one route.

    Args:
        roles: any of these is enough; empty: every member of staff.
        anyone: no login is needed.
        by_itself: the page calls it without a person doing anything; it does not keep a login
            from becoming idle, and a refusal is answered in place instead of by the login page.
        demo: exists in demo mode only.
        unchanged_password: may be called before the one-time password is changed.
        form_bytes: how long a form may be as it is sent; a Chinese character takes nine.
    """

    roles: frozenset[str] = frozenset()
    anyone: bool = False
    by_itself: bool = False
    demo: bool = False
    unchanged_password: bool = False
    form_bytes: int = 64 * 1024

    def check(self, caller: StaffView | None, mode: str) -> None:
        """Let a caller pass or raise.

        Raises:
            NotFound: the page does not exist in this mode.
            NotSignedIn: nobody has signed in.
            NotAllowed: none of the caller's roles may call it.
        """
        if self.demo and mode != "demo":
            raise NotFound("demo only")
        if self.anyone:
            return
        if caller is None:
            raise NotSignedIn("not signed in")
        if self.roles and not self.roles & caller.roles:
            raise NotAllowed("no role for this page")


def for_action(action: str, *, by_itself: bool = False, form_bytes: int = 64 * 1024) -> Access:
    """Return the access of a page for whoever may do an action somewhere (`bot.core.rights`).

    Where they may do it the page asks itself, with `bot.services.rights.require`.
    """
    return Access(roles=right(action).roles, by_itself=by_itself, form_bytes=form_bytes)


PUBLIC = Access(anyone=True)
STAFF = Access()
OWN_PASSWORD = Access(unchanged_password=True)
DESK = Access(roles=frozenset({"counselor", "lead", "district"}))
DESK_BY_ITSELF = Access(roles=DESK.roles, by_itself=True)
CASE = Access(roles=frozenset({"counselor", "district"}))
CASE_BY_ITSELF = Access(roles=CASE.roles, by_itself=True)
RULES_TEXT = Access(roles=DESK.roles, form_bytes=2 * 1024 * 1024)
SECOND = Access(roles=frozenset({"lead", "district"}))
# Replays and shadows read the messages of every school; what is published judges all of them.
RULES_DISTRICT = Access(roles=frozenset({"district"}))
OPERATOR = Access(roles=frozenset({"admin", "district"}))
DEMO = Access(anyone=True, demo=True)
