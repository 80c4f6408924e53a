"""Who may call which page. Reports that the law asks for, calls, reasons for reading."""

from collections.abc import Mapping

from bot.web.access import CASE, Access

_CASE = "/desk/cases/{case_id:int}"
_DECIDE = Access("report.decide")
_AGREE = Access("report.agree")
_ENTER = Access("call.enter")
REPORTS: Mapping[tuple[str, str], Access] = {
    ("POST", f"{_CASE}/reason"): CASE,
    ("POST", f"{_CASE}/reports"): _DECIDE,
    ("POST", f"{_CASE}/reports/not"): _DECIDE,
    ("POST", f"{_CASE}/reports/{{report_id:int}}/make"): _DECIDE,
    ("POST", f"{_CASE}/reports/{{report_id:int}}/result"): _DECIDE,
    ("GET", "/desk/reports"): _AGREE,
    ("POST", "/desk/reports/{report_id:int}/agree"): _AGREE,
    ("POST", "/desk/reports/{report_id:int}/withdraw"): _DECIDE,
    ("GET", "/desk/calls"): _ENTER,
    ("GET", "/desk/calls/new"): _ENTER,
    ("GET", "/desk/calls/drafts"): Access("call.enter", by_itself=True),
    ("POST", "/desk/calls/find"): _ENTER,
    ("POST", "/desk/calls"): _ENTER,
    ("POST", "/desk/calls/{call_id:int}/end"): _ENTER,
}
