"""The editors' pages; put together in `bot.web.routes`."""

from bot.web import editor_try
from bot.web.guard import Page

PAGES: dict[tuple[str, str], Page] = {
    ("GET", "/editor/try"): editor_try.try_form,
    ("POST", "/editor/try"): editor_try.try_text,
}
