"""Pages and their paths. Clocks, follow-ups, care plans, the overdue board, figures."""

from collections.abc import Mapping

from bot.web import figures, followups, overdue
from bot.web.guard import Page

_CASE = "/desk/cases/{case_id:int}"

PAGES: Mapping[tuple[str, str], Page] = {
    ("GET", "/desk/followups"): followups.list_page,
    ("GET", "/desk/overdue"): overdue.board,
    ("GET", "/desk/figures"): figures.page,
    ("POST", "/desk/figures/export"): figures.export,
    ("POST", f"{_CASE}/followups/add"): followups.add,
    ("POST", f"{_CASE}/followups/done"): followups.finish,
    ("POST", f"{_CASE}/followups/move"): followups.move,
    ("POST", f"{_CASE}/followups/give"): followups.give,
    ("POST", f"{_CASE}/followups/off"): followups.call_off,
    ("POST", f"{_CASE}/care-plan"): followups.write_plan,
    ("POST", f"{_CASE}/care-plan/end"): followups.end_plan,
}
