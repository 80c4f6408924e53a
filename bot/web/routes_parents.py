"""The pages of parents' pages under `/p/…`; put together in `bot.web.routes`."""

from bot.web import parents, parents_ask, parents_entry, parents_link, parents_notice
from bot.web.access_parents import LINK
from bot.web.guard import Page
from bot.web.parents_link import with_link

PAGES: dict[tuple[str, str], Page] = {
    ("GET", LINK): parents_entry.first_page,
    ("POST", f"{LINK}/open"): parents_link.open_page,
    ("POST", f"{LINK}/consent"): with_link(parents.consent),
    ("POST", f"{LINK}/type"): with_link(parents.type_size),
    ("POST", f"{LINK}/ask"): with_link(parents_ask.ask),
    ("GET", f"{LINK}/delete"): with_link(parents_ask.delete_page),
    ("POST", f"{LINK}/delete"): with_link(parents_ask.delete),
    ("POST", f"{LINK}/unbind"): with_link(parents_ask.unbind),
    ("POST", f"{LINK}/confirm"): parents_notice.confirm,
    ("POST", f"{LINK}/answer"): parents_notice.answer,
    ("GET", f"{LINK}/export.json"): with_link(parents.export_json),
    ("GET", f"{LINK}/export.html"): with_link(parents.export_html),
}
