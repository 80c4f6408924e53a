"""Pages and their paths. The queue, presence, the words for levels."""

from collections.abc import Mapping

from bot.web import desk_groups, desk_levels, desk_offers, desk_overview
from bot.web.guard import Page

PAGES: Mapping[tuple[str, str], Page] = {
    ("GET", "/desk/offer"): desk_offers.offer_part,
    ("POST", "/desk/presence"): desk_offers.say_presence,
    ("POST", "/desk/next"): desk_offers.take_next,
    ("POST", "/desk/offers/{offer_id:int}/decline"): desk_offers.decline,
    ("POST", "/desk/group"): desk_groups.act,
    ("GET", "/desk/overview"): desk_overview.page,
    ("GET", "/desk/levels"): desk_levels.page,
    ("POST", "/desk/levels/{place_id:int}"): desk_levels.save,
}
