"""The pages of one's own account; put together in `bot.web.routes`."""

from bot.web.guard import Page

PAGES: dict[tuple[str, str], Page] = {}
