"""Who may call which page. The roster, swaps, absences, the phone list, drills."""

from collections.abc import Mapping

from bot.web.access import Access, for_action

ROSTER = "/desk/roster"
SHIFT = "/desk/roster/shifts/{shift_id:int}"
PATTERN = "/desk/roster/patterns/{pattern_id:int}"
SWAP = "/desk/roster/swaps/{swap_id:int}"
ABSENCE = "/desk/roster/absences/{absence_id:int}"
DRILLS = "/desk/drills"
DRILL = "/desk/drills/{drill_id:int}"
CASE_WORDS = "/desk/cases/{case_id:int}/drill-words"
DUTY: Mapping[tuple[str, str], Access] = {
    ("GET", ROSTER): for_action("roster.read"),
    ("GET", f"{ROSTER}/phones"): for_action("roster.read"),
    ("POST", f"{ROSTER}/phones"): for_action("roster.change"),
    ("POST", f"{ROSTER}/shifts"): for_action("roster.change"),
    ("GET", SHIFT): for_action("roster.read"),
    ("POST", f"{SHIFT}/change"): for_action("roster.change"),
    ("POST", f"{SHIFT}/remove"): for_action("roster.change"),
    ("POST", f"{SHIFT}/swap"): for_action("roster.own"),
    ("GET", f"{ROSTER}/patterns"): for_action("roster.change"),
    ("POST", f"{ROSTER}/patterns"): for_action("roster.change"),
    ("GET", PATTERN): for_action("roster.change"),
    ("POST", f"{PATTERN}/change"): for_action("roster.change"),
    ("POST", f"{PATTERN}/end"): for_action("roster.change"),
    ("GET", f"{ROSTER}/mine"): for_action("roster.own"),
    ("POST", f"{ROSTER}/mine/phone"): for_action("roster.own"),
    ("POST", f"{ROSTER}/absences"): for_action("roster.own"),
    ("POST", f"{ROSTER}/absences/for"): for_action("roster.change"),
    ("POST", f"{ABSENCE}/end"): for_action("roster.own"),
    ("POST", f"{SWAP}/agree"): for_action("roster.own"),
    ("POST", f"{SWAP}/refuse"): for_action("roster.own"),
    ("POST", f"{SWAP}/withdraw"): for_action("roster.own"),
    ("POST", f"{SWAP}/approve"): for_action("roster.change"),
    ("GET", DRILLS): for_action("drill.run"),
    ("POST", DRILLS): for_action("drill.run"),
    ("GET", DRILL): for_action("drill.run"),
    ("POST", f"{DRILL}/end"): for_action("drill.run"),
    ("POST", CASE_WORDS): for_action("case.work"),
}
