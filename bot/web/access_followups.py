"""Who may call which page. Clocks, follow-ups, care plans, the overdue board, figures."""

from collections.abc import Mapping

from bot.web.access import CASE_TEXT, CASE_WORK, DESK, Access, for_action

_CASE = "/desk/cases/{case_id:int}"

FOLLOWUPS: Mapping[tuple[str, str], Access] = {
    ("GET", "/desk/followups"): CASE_WORK,
    ("GET", "/desk/overdue"): DESK,
    ("GET", "/desk/figures"): for_action("figures.read"),
    ("POST", "/desk/figures/export"): for_action("figures.read"),
    ("POST", f"{_CASE}/followups/add"): CASE_WORK,
    ("POST", f"{_CASE}/followups/done"): CASE_TEXT,
    ("POST", f"{_CASE}/followups/move"): CASE_TEXT,
    ("POST", f"{_CASE}/followups/give"): CASE_WORK,
    ("POST", f"{_CASE}/followups/off"): CASE_TEXT,
    ("POST", f"{_CASE}/care-plan"): CASE_TEXT,
    ("POST", f"{_CASE}/care-plan/end"): CASE_WORK,
}
