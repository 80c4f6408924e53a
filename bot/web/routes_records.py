"""The pages of audit, holds and forgetting; put together in `bot.web.routes`."""

from bot.web.guard import Page

PAGES: dict[tuple[str, str], Page] = {}
