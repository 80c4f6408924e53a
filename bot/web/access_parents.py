"""Who may call the pages of parents' pages under `/p/…`; put together in `bot.web.table`.

Anyone may call them: the link's token and the browser that opened it decide what they show.
"""

from collections.abc import Mapping

from bot.web.access import PUBLIC, Access

LINK = "/p/{token}"

PARENTS: Mapping[tuple[str, str], Access] = {
    ("GET", LINK): PUBLIC,
    ("POST", f"{LINK}/open"): PUBLIC,
    ("POST", f"{LINK}/consent"): PUBLIC,
    ("POST", f"{LINK}/type"): PUBLIC,
    ("POST", f"{LINK}/ask"): PUBLIC,
    ("GET", f"{LINK}/delete"): PUBLIC,
    ("POST", f"{LINK}/delete"): PUBLIC,
    ("POST", f"{LINK}/unbind"): PUBLIC,
    ("POST", f"{LINK}/confirm"): PUBLIC,
    ("POST", f"{LINK}/answer"): PUBLIC,
    ("GET", f"{LINK}/export.json"): PUBLIC,
    ("GET", f"{LINK}/export.html"): PUBLIC,
}
