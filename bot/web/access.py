"""Who may call which page: one table, deny by default.

`bot.web.guard` builds a route only for a line of this table, so a page that is missing here does
not exist. Which *cases* a person sees is decided by `bot.services.desk`, by role and place.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.core.errors import NotAllowed, NotFound, NotSignedIn
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

TABLE: Mapping[tuple[str, str], Access] = {
    ("GET", "/"): PUBLIC,
    ("GET", "/handbook/{entry_id}"): PUBLIC,
    ("GET", "/login"): PUBLIC,
    ("POST", "/login"): PUBLIC,
    ("POST", "/logout"): OWN_PASSWORD,
    ("GET", "/password"): OWN_PASSWORD,
    ("POST", "/password"): OWN_PASSWORD,
    ("GET", "/desk"): DESK,
    ("GET", "/desk/queue"): DESK_BY_ITSELF,
    ("GET", "/desk/events"): DESK_BY_ITSELF,
    ("GET", "/desk/cases/{case_id:int}"): CASE,
    ("GET", "/desk/cases/{case_id:int}/live"): CASE_BY_ITSELF,
    ("POST", "/desk/cases/{case_id:int}/accept"): CASE,
    ("POST", "/desk/cases/{case_id:int}/take"): CASE,
    ("POST", "/desk/cases/{case_id:int}/write"): CASE,
    ("POST", "/desk/cases/{case_id:int}/release"): CASE,
    ("POST", "/desk/cases/{case_id:int}/close"): CASE,
    ("POST", "/desk/cases/{case_id:int}/mark"): CASE,
    ("POST", "/desk/cases/{case_id:int}/unmark"): CASE,
    ("GET", "/rules"): DESK,
    ("POST", "/rules/drafts"): DESK,
    ("GET", "/rules/{rules_id:int}"): DESK,
    ("GET", "/rules/{rules_id:int}/progress"): DESK_BY_ITSELF,
    ("GET", "/rules/{rules_id:int}/diff"): DESK,
    ("GET", "/rules/{rules_id:int}/files/{name}"): DESK,
    ("POST", "/rules/{rules_id:int}/files/{name}"): RULES_TEXT,
    ("POST", "/rules/{rules_id:int}/check"): DESK,
    ("POST", "/rules/{rules_id:int}/discard"): DESK,
    ("POST", "/rules/{rules_id:int}/replay"): RULES_DISTRICT,
    ("POST", "/rules/{rules_id:int}/replay/stop"): RULES_DISTRICT,
    ("POST", "/rules/{rules_id:int}/shadow"): RULES_DISTRICT,
    ("POST", "/rules/{rules_id:int}/shadow/stop"): RULES_DISTRICT,
    ("POST", "/rules/{rules_id:int}/texts"): RULES_DISTRICT,
    ("POST", "/rules/{rules_id:int}/publish"): RULES_DISTRICT,
    ("POST", "/rules/{rules_id:int}/back"): RULES_DISTRICT,
    ("GET", "/rules/try"): DESK,
    ("POST", "/rules/try"): RULES_TEXT,
    ("GET", "/rules/cases"): DESK,
    ("POST", "/rules/cases"): RULES_TEXT,
    ("GET", "/rules/cases/{rule_case_id:int}"): DESK,
    ("POST", "/rules/cases/{rule_case_id:int}/agree"): SECOND,
    ("POST", "/rules/cases/{rule_case_id:int}/reject"): SECOND,
    ("GET", "/admin"): OPERATOR,
    ("POST", "/admin/alarms/{alarm_id:int}/clear"): OPERATOR,
    ("GET", "/simulator"): DEMO,
    ("POST", "/simulator/say"): DEMO,
    ("POST", "/simulator/follow"): DEMO,
    ("POST", "/simulator/send"): DEMO,
    ("POST", "/simulator/again"): DEMO,
    ("POST", "/simulator/exhaust"): DEMO,
    ("POST", "/simulator/disconnect"): DEMO,
    ("GET", "/simulator/stream"): DEMO,
    ("GET", "/simulator/events"): DEMO,
    ("GET", "/simulator/alerts"): DEMO,
}
