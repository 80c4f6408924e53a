"""Turns a printable page into a PDF. Called by `bot.web.prints` and `bot.web.handbook_print`.

WeasyPrint lays it out: an optional part of the installation (`xinqing[pdf]`), because it needs
system libraries and a Chinese font. Without them the page itself can still be printed.
Source: docs/decisions/0016-pdf-by-weasyprint.md.
"""

import threading
import warnings
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.resources import files
from typing import Any, NoReturn

from bot.core.errors import XinqingError

# One at a time: a long case takes some 100 MB while it is laid out.
_ONE = threading.Lock()


class PdfUnavailable(XinqingError):
    """This machine can't make PDFs; the text is `no_library` or `no_font`."""

    status = 503


def pdf(
    html: str, *, styles: Sequence[str] = ("print.css",), attached: Mapping[str, str] | None = None
) -> bytes:
    """Return a printable page as a PDF; takes about a second, so call it in a thread.

    Args:
        styles: files of `static/own`, the later over the earlier.
        attached: texts that the file carries along, by their names.

    Raises:
        PdfUnavailable: the library or a Chinese font is missing.
    """
    folder = files("bot.web").joinpath("static/own")
    with _ONE:
        library = _library()
        fetcher = _nothing(library.URLFetcher)
        sheets = [
            library.CSS(string=folder.joinpath(name).read_text("utf-8"), url_fetcher=fetcher)
            for name in styles
        ]
        document = library.HTML(string=html, url_fetcher=fetcher).render(stylesheets=sheets)
        parts = [
            library.Attachment(string=text, name=name, url_fetcher=fetcher)
            for name, text in (attached or {}).items()
        ]
        made: bytes = document.write_pdf(attachments=parts)
    missing = {chr(point) for font in document.fonts.values() for point in font.missing}
    if any(_common(letter) for letter in missing):
        raise PdfUnavailable("no_font")
    return made


def _library() -> Any:
    """Return WeasyPrint.

    On a machine without any font it warns once, when it is loaded; laying out a page would then
    end the whole process. So the warning is an error here, and the next print tries again.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        try:
            return import_module("weasyprint")
        except (ImportError, OSError):
            raise PdfUnavailable("no_library") from None
        except UserWarning:
            raise PdfUnavailable("no_font") from None


def _nothing(fetcher: Any) -> Any:
    """Return a fetcher that fetches nothing: all a page needs stands in it."""

    def fetch(self: object, url: str, headers: object = None) -> NoReturn:
        raise ValueError("nothing is fetched")

    return type("Nothing", (fetcher,), {"fetch": fetch})()


def _common(letter: str) -> bool:
    """Say whether every Chinese font has a letter; a rare one in a name may be missing."""
    try:
        return len(letter.encode("gb2312")) == 2
    except UnicodeEncodeError:
        return False
