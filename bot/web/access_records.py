"""Who may call the pages of audit, holds and forgetting; put together in `bot.web.table`."""

from collections.abc import Mapping

from bot.web.access import Access

RECORDS: Mapping[tuple[str, str], Access] = {}
