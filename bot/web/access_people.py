"""Who may call the pages of tree, people and imports; put together in `bot.web.table`."""

from collections.abc import Mapping

from bot.web.access import Access

PEOPLE: Mapping[tuple[str, str], Access] = {}
