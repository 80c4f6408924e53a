"""Who may call the pages of parents' pages under `/p/…`; put together in `bot.web.table`."""

from collections.abc import Mapping

from bot.web.access import Access

PARENTS: Mapping[tuple[str, str], Access] = {}
