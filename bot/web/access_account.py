"""Who may call the pages of one's own account; put together in `bot.web.table`."""

from collections.abc import Mapping

from bot.web.access import Access

ACCOUNT: Mapping[tuple[str, str], Access] = {}
