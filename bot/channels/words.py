"""Words as every platform takes them: without what it can't hold, and not longer than it shows.

Called by the channels and the alert senders; `bot.channels.xml` reads and writes with it too.
"""

import re

import structlog

from bot.core.privacy import clean

log = structlog.get_logger(__name__)

# Of one text message: WeChat's and WeCom's limit, kept to on DingTalk as well.
MOST_BYTES = 2048
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def xml_safe(text: str) -> str:
    """Return the text without what XML 1.0 can't hold: controls, lone surrogates, U+FFFE/FFFF."""
    return _NOT_XML.sub("", clean(text))


def fit(text: str, limit: int = MOST_BYTES) -> str:
    """Return the text without what XML can't hold, cut to UTF-8 bytes between two characters.

    JSON could hold those controls, but nobody can read them, and a reply is the same everywhere.
    """
    safe = xml_safe(text)
    whole = safe.encode()
    if len(whole) <= limit:
        return safe
    log.warning("text_cut", bytes=len(whole), limit=limit)
    return whole[:limit].decode("utf-8", "ignore")
