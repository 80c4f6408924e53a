"""The pages of tree, people and imports; put together in `bot.web.routes`."""

from bot.web.guard import Page

PAGES: dict[tuple[str, str], Page] = {}
