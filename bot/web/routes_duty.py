"""Pages and their paths. The roster, swaps, absences, the phone list, drills."""

from collections.abc import Mapping

from bot.web import drills, roster, roster_mine, roster_patterns
from bot.web.access_duty import (
    ABSENCE,
    CASE_WORDS,
    DRILL,
    DRILLS,
    PATTERN,
    ROSTER,
    SHIFT,
    SWAP,
)
from bot.web.guard import Page

PAGES: Mapping[tuple[str, str], Page] = {
    ("GET", ROSTER): roster.roster_page,
    ("GET", f"{ROSTER}/phones"): roster.phones_page,
    ("POST", f"{ROSTER}/phones"): roster.set_phone,
    ("POST", f"{ROSTER}/shifts"): roster.add,
    ("GET", SHIFT): roster.shift_page,
    ("POST", f"{SHIFT}/change"): roster.change,
    ("POST", f"{SHIFT}/remove"): roster.remove,
    ("POST", f"{SHIFT}/swap"): roster.ask_swap,
    ("GET", f"{ROSTER}/patterns"): roster_patterns.list_page,
    ("POST", f"{ROSTER}/patterns"): roster_patterns.create,
    ("GET", PATTERN): roster_patterns.one_page,
    ("POST", f"{PATTERN}/change"): roster_patterns.change,
    ("POST", f"{PATTERN}/end"): roster_patterns.end,
    ("GET", f"{ROSTER}/mine"): roster_mine.mine_page,
    ("POST", f"{ROSTER}/mine/phone"): roster_mine.set_phone,
    ("POST", f"{ROSTER}/absences"): roster_mine.put_absence,
    ("POST", f"{ROSTER}/absences/for"): roster_mine.put_absence_for,
    ("POST", f"{ABSENCE}/end"): roster_mine.end_absence,
    ("POST", f"{SWAP}/agree"): roster_mine.agree,
    ("POST", f"{SWAP}/refuse"): roster_mine.refuse,
    ("POST", f"{SWAP}/withdraw"): roster_mine.withdraw,
    ("POST", f"{SWAP}/approve"): roster_mine.approve,
    ("GET", DRILLS): drills.list_page,
    ("POST", DRILLS): drills.start,
    ("GET", DRILL): drills.one_page,
    ("POST", f"{DRILL}/end"): drills.end,
    ("POST", CASE_WORDS): drills.write_words,
}
