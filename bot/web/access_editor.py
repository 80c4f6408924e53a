"""Who may call the editors' pages; put together in `bot.web.table`."""

from collections.abc import Mapping

from bot.web.access import Access, for_action

# Room for a text far beyond its bound: then the page can say so, and give it back.
EDITOR: Mapping[tuple[str, str], Access] = {
    ("GET", "/editor/try"): for_action("handbook.try"),
    ("POST", "/editor/try"): for_action("handbook.try", form_bytes=2 * 1024 * 1024),
}
