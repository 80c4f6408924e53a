"""Who may call which page. Drafts, transfer, a second person, judgements."""

from collections.abc import Mapping

from bot.web.access import CASE_TEXT, CASE_WORK, Access

_CASE = "/desk/cases/{case_id:int}"
_DRAFTS = Access("case.work", by_itself=True)

TALK: Mapping[tuple[str, str], Access] = {
    ("POST", "/desk/drafts"): CASE_TEXT,
    ("GET", f"{_CASE}/drafts"): _DRAFTS,
    ("GET", f"{_CASE}/phones"): CASE_WORK,
    ("POST", f"{_CASE}/judge"): CASE_TEXT,
    ("POST", f"{_CASE}/bar"): CASE_TEXT,
    ("POST", f"{_CASE}/child"): CASE_WORK,
    ("POST", f"{_CASE}/notes"): CASE_TEXT,
    ("POST", f"{_CASE}/read"): CASE_WORK,
    ("POST", f"{_CASE}/steps"): CASE_TEXT,
    ("POST", f"{_CASE}/transfer"): CASE_TEXT,
    ("POST", f"{_CASE}/transfer/take"): CASE_WORK,
    ("POST", f"{_CASE}/transfer/decline"): CASE_WORK,
    ("POST", f"{_CASE}/district"): CASE_TEXT,
    ("POST", f"{_CASE}/second"): CASE_WORK,
}
