"""Who may call the pages of notices, courses, bindings; put together in `bot.web.table`."""

from collections.abc import Mapping

from bot.web.access import Access

TEACHER: Mapping[tuple[str, str], Access] = {}
