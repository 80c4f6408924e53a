"""The pages of parents' pages under `/p/…`; put together in `bot.web.routes`."""

from bot.web.guard import Page

PAGES: dict[tuple[str, str], Page] = {}
