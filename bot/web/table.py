"""Who may call which page: one table, deny by default.

`bot.web.guard` builds a route only for a line of this table, so a page that is missing here does
not exist. Which *cases* a person sees is decided by `bot.services.desk`, by role and place. Each
area of pages has its lines in a file of its own; they are put together here.
"""

from collections.abc import Mapping

from bot.web.access import (
    CASE,
    CASE_BY_ITSELF,
    CASE_WORK,
    DEMO,
    DESK,
    DESK_BY_ITSELF,
    OPERATOR,
    OWN_CODE,
    OWN_PASSWORD,
    PUBLIC,
    RULES,
    RULES_BY_ITSELF,
    RULES_DISTRICT,
    RULES_DRAFT,
    RULES_TEXT,
    SECOND,
    Access,
)
from bot.web.access_account import ACCOUNT
from bot.web.access_care import CARE
from bot.web.access_duty import DUTY
from bot.web.access_editor import EDITOR
from bot.web.access_files import FILES
from bot.web.access_followups import FOLLOWUPS
from bot.web.access_parents import PARENTS
from bot.web.access_people import PEOPLE
from bot.web.access_queue import QUEUE
from bot.web.access_records import RECORDS
from bot.web.access_reports import REPORTS
from bot.web.access_talk import TALK
from bot.web.access_teacher import TEACHER

_FIRST: Mapping[tuple[str, str], Access] = {
    ("GET", "/"): PUBLIC,
    ("GET", "/handbook/{entry_id}"): PUBLIC,
    ("GET", "/login"): PUBLIC,
    ("POST", "/login"): PUBLIC,
    ("GET", "/login/code"): OWN_CODE,
    ("POST", "/login/code"): OWN_CODE,
    ("POST", "/logout"): OWN_CODE,
    ("GET", "/password"): OWN_PASSWORD,
    ("POST", "/password"): OWN_PASSWORD,
    ("GET", "/desk"): DESK,
    ("GET", "/desk/queue"): DESK_BY_ITSELF,
    ("GET", "/desk/events"): DESK_BY_ITSELF,
    ("GET", "/desk/cases/{case_id:int}"): CASE,
    ("GET", "/desk/cases/{case_id:int}/live"): CASE_BY_ITSELF,
    ("POST", "/desk/cases/{case_id:int}/accept"): CASE_WORK,
    ("POST", "/desk/cases/{case_id:int}/take"): CASE_WORK,
    ("POST", "/desk/cases/{case_id:int}/write"): CASE_WORK,
    ("POST", "/desk/cases/{case_id:int}/release"): CASE_WORK,
    ("POST", "/desk/cases/{case_id:int}/close"): CASE_WORK,
    ("POST", "/desk/cases/{case_id:int}/mark"): CASE_WORK,
    ("POST", "/desk/cases/{case_id:int}/unmark"): CASE_WORK,
    ("GET", "/rules"): RULES,
    ("POST", "/rules/drafts"): RULES_DRAFT,
    ("GET", "/rules/{rules_id:int}"): RULES,
    ("GET", "/rules/{rules_id:int}/progress"): RULES_BY_ITSELF,
    ("GET", "/rules/{rules_id:int}/diff"): RULES,
    ("GET", "/rules/{rules_id:int}/files/{name}"): RULES,
    ("POST", "/rules/{rules_id:int}/files/{name}"): RULES_TEXT,
    ("POST", "/rules/{rules_id:int}/check"): RULES_DRAFT,
    ("POST", "/rules/{rules_id:int}/discard"): RULES_DRAFT,
    ("POST", "/rules/{rules_id:int}/replay"): RULES_DISTRICT,
    ("POST", "/rules/{rules_id:int}/replay/stop"): RULES_DISTRICT,
    ("POST", "/rules/{rules_id:int}/shadow"): RULES_DISTRICT,
    ("POST", "/rules/{rules_id:int}/shadow/stop"): RULES_DISTRICT,
    ("POST", "/rules/{rules_id:int}/texts"): RULES_DISTRICT,
    ("POST", "/rules/{rules_id:int}/publish"): RULES_DISTRICT,
    ("POST", "/rules/{rules_id:int}/back"): RULES_DISTRICT,
    ("GET", "/rules/try"): RULES,
    ("POST", "/rules/try"): RULES_TEXT,
    ("GET", "/rules/cases"): RULES,
    ("POST", "/rules/cases"): RULES_TEXT,
    ("GET", "/rules/cases/{rule_case_id:int}"): RULES,
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

_AREAS = (
    _FIRST,
    ACCOUNT,
    PARENTS,
    PEOPLE,
    RECORDS,
    TEACHER,
    QUEUE,
    TALK,
    FILES,
    FOLLOWUPS,
    DUTY,
    CARE,
    REPORTS,
    EDITOR,
)

TABLE: Mapping[tuple[str, str], Access] = {
    line: access for area in _AREAS for line, access in area.items()
}
assert len(TABLE) == sum(map(len, _AREAS)), "a page stands in two areas"
