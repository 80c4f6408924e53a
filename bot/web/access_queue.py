"""Who may call which page. The queue, presence, the words for levels."""

from collections.abc import Mapping

from bot.web.access import CASE_WORK, DESK, Access, for_action

LEVELS = for_action("level_words.change")

QUEUE: Mapping[tuple[str, str], Access] = {
    ("GET", "/desk/offer"): for_action("case.work", by_itself=True),
    ("POST", "/desk/presence"): CASE_WORK,
    ("POST", "/desk/next"): CASE_WORK,
    ("POST", "/desk/offers/{offer_id:int}/decline"): CASE_WORK,
    ("POST", "/desk/group"): CASE_WORK,
    ("GET", "/desk/overview"): DESK,
    ("GET", "/desk/levels"): LEVELS,
    ("POST", "/desk/levels/{place_id:int}"): LEVELS,
}
