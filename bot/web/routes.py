"""All pages as routes. `build` is called by `bot.app`."""

from starlette.routing import BaseRoute, Mount

from bot.web import (
    admin,
    case_page,
    case_reasons,
    desk,
    desk_queue,
    login,
    risk_cases,
    riskbox,
    routes_account,
    routes_care,
    routes_duty,
    routes_editor,
    routes_files,
    routes_followups,
    routes_parents,
    routes_people,
    routes_queue,
    routes_records,
    routes_reports,
    routes_talk,
    routes_teacher,
    rules,
    rules_district,
    simulator,
    start,
)
from bot.web.guard import Guard, Page
from bot.web.headers import StaticPages
from bot.web.ports import PageServices
from bot.web.render import Renderer
from bot.web.table import TABLE

CASE = "/desk/cases/{case_id:int}"
RULES = "/rules/{rules_id:int}"
RULE_CASE = "/rules/cases/{rule_case_id:int}"
_FIRST: dict[tuple[str, str], Page] = {
    ("GET", "/"): start.start,
    ("GET", "/handbook/{entry_id}"): start.handbook_entry,
    ("GET", "/login"): login.login_form,
    ("POST", "/login"): login.login,
    ("GET", "/login/code"): login.code_form,
    ("POST", "/login/code"): login.code,
    ("POST", "/logout"): login.logout,
    ("GET", "/password"): login.password_form,
    ("POST", "/password"): login.password,
    ("GET", "/desk"): desk_queue.queue_page,
    ("GET", "/desk/queue"): desk_queue.queue_part,
    ("GET", "/desk/events"): desk_queue.events,
    ("GET", CASE): case_page.case_page,
    ("GET", f"{CASE}/live"): case_page.case_part,
    ("POST", f"{CASE}/accept"): desk.accept,
    ("POST", f"{CASE}/take"): desk.take,
    ("POST", f"{CASE}/write"): desk.write,
    ("POST", f"{CASE}/release"): desk.release,
    ("POST", f"{CASE}/close"): desk.close,
    ("POST", f"{CASE}/mark"): desk.mark,
    ("POST", f"{CASE}/unmark"): desk.unmark,
    ("GET", "/rules"): rules.rules_page,
    ("POST", "/rules/drafts"): rules.make_draft,
    ("GET", RULES): rules.set_page,
    ("GET", f"{RULES}/progress"): rules.progress,
    ("GET", f"{RULES}/diff"): rules.diff_page,
    ("GET", f"{RULES}/files/{{name}}"): rules.file_page,
    ("POST", f"{RULES}/files/{{name}}"): rules.save_file,
    ("POST", f"{RULES}/check"): rules.check,
    ("POST", f"{RULES}/discard"): rules.discard,
    ("POST", f"{RULES}/replay"): rules_district.start_replay,
    ("POST", f"{RULES}/replay/stop"): rules_district.stop_replay,
    ("POST", f"{RULES}/shadow"): rules_district.start_shadow,
    ("POST", f"{RULES}/shadow/stop"): rules_district.stop_shadow,
    ("POST", f"{RULES}/texts"): rules_district.texts,
    ("POST", f"{RULES}/publish"): rules_district.publish,
    ("POST", f"{RULES}/back"): rules_district.go_back,
    ("GET", "/rules/try"): riskbox.try_form,
    ("POST", "/rules/try"): riskbox.try_text,
    ("GET", "/rules/cases"): risk_cases.list_page,
    ("POST", "/rules/cases"): risk_cases.write,
    ("GET", RULE_CASE): risk_cases.case_page,
    ("POST", f"{RULE_CASE}/agree"): risk_cases.agree,
    ("POST", f"{RULE_CASE}/reject"): risk_cases.reject,
    ("GET", "/admin"): admin.alarms_page,
    ("POST", "/admin/alarms/{alarm_id:int}/clear"): admin.clear_alarm,
    ("GET", "/simulator"): simulator.page,
    ("POST", "/simulator/say"): simulator.say,
    ("POST", "/simulator/follow"): simulator.follow,
    ("POST", "/simulator/send"): simulator.send,
    ("POST", "/simulator/again"): simulator.again,
    ("POST", "/simulator/exhaust"): simulator.exhaust,
    ("POST", "/simulator/disconnect"): simulator.disconnect,
    ("GET", "/simulator/stream"): simulator.stream,
    ("GET", "/simulator/events"): simulator.events,
    ("GET", "/simulator/alerts"): simulator.alerts,
}
_AREAS = (
    routes_account,
    routes_parents,
    routes_people,
    routes_records,
    routes_teacher,
    routes_queue,
    routes_talk,
    routes_files,
    routes_followups,
    routes_duty,
    routes_care,
    routes_reports,
    routes_editor,
)
PAGES: dict[tuple[str, str], Page] = {
    line: case_reasons.door(line, TABLE[line], page) if line in TABLE else page
    for area in (_FIRST, *(one.PAGES for one in _AREAS))
    for line, page in area.items()
}


def build(services: PageServices) -> list[BaseRoute]:
    """Return every page and the static files.

    Raises:
        KeyError: a page that the access table does not name, or the other way round.
    """
    guard = Guard(services, Renderer())
    routes: list[BaseRoute] = [
        guard.route(method, path, PAGES[method, path]) for method, path in TABLE
    ]
    unnamed = PAGES.keys() - TABLE.keys()
    if unnamed:
        raise KeyError(*unnamed)
    return [*routes, Mount("/static", StaticPages(), name="static")]
