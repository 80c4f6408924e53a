"""Pages and their paths. Reports that the law asks for, calls, reasons for reading."""

from collections.abc import Mapping

from bot.web import calls, case_reasons, reports
from bot.web.guard import Page

_CASE = "/desk/cases/{case_id:int}"
PAGES: Mapping[tuple[str, str], Page] = {
    ("POST", case_reasons.GIVE): case_reasons.give,
    ("POST", f"{_CASE}/reports"): reports.decide,
    ("POST", f"{_CASE}/reports/not"): reports.decide_not,
    ("POST", f"{_CASE}/reports/{{report_id:int}}/make"): reports.make,
    ("POST", f"{_CASE}/reports/{{report_id:int}}/result"): reports.result,
    ("GET", "/desk/reports"): reports.list_page,
    ("POST", "/desk/reports/{report_id:int}/agree"): reports.agree,
    ("POST", "/desk/reports/{report_id:int}/withdraw"): reports.withdraw,
    ("GET", "/desk/calls"): calls.list_page,
    ("GET", "/desk/calls/new"): calls.new_page,
    ("GET", "/desk/calls/drafts"): calls.drafts_of_new,
    ("POST", "/desk/calls/find"): calls.find,
    ("POST", "/desk/calls"): calls.enter,
    ("POST", "/desk/calls/{call_id:int}/end"): calls.end,
}
