"""Pages and their paths. Drafts, transfer, a second person, judgements."""

from collections.abc import Mapping

from bot.web import drafts, talk
from bot.web.guard import Page

_CASE = "/desk/cases/{case_id:int}"

PAGES: Mapping[tuple[str, str], Page] = {
    ("POST", "/desk/drafts"): drafts.keep,
    ("GET", f"{_CASE}/drafts"): drafts.of_case,
    ("GET", f"{_CASE}/phones"): talk.phones,
    ("POST", f"{_CASE}/judge"): talk.judge,
    ("POST", f"{_CASE}/bar"): talk.bar,
    ("POST", f"{_CASE}/child"): talk.choose_child,
    ("POST", f"{_CASE}/notes"): talk.note,
    ("POST", f"{_CASE}/read"): talk.ask_read,
    ("POST", f"{_CASE}/steps"): talk.leave_out,
    ("POST", f"{_CASE}/transfer"): talk.offer,
    ("POST", f"{_CASE}/transfer/take"): talk.take,
    ("POST", f"{_CASE}/transfer/decline"): talk.decline,
    ("POST", f"{_CASE}/district"): talk.call_district,
    ("POST", f"{_CASE}/second"): talk.second,
}
