"""Read a printed handbook back: its PDF carries the Markdown it was made of as an attachment."""

from importlib import import_module
from io import BytesIO

from bot.services.excel import FILE_BYTES
from bot.services.handbook_files import markdown
from bot.services.handbook_files.rows import Read
from bot.services.handbook_files.words import said

ATTACHMENT = "handbook.md"


def read(content: bytes) -> Read:
    """Return the entries of a PDF that `xinqing handbook export` made, or why there are none."""
    try:
        library = import_module("pypdf")
    except ImportError:
        return Read(problem=said("file", "no_pdf_library"))
    try:
        found = library.PdfReader(BytesIO(content)).attachments.get(ATTACHMENT, [])
        text = b"".join(found[:1])
    except Exception:  # a hostile file can raise whatever its parts lead the library to
        return Read(problem=said("file", "broken"))
    if not text:
        return Read(problem=said("file", "pdf_without_source"))
    if len(text) > FILE_BYTES:
        return Read(problem=said("file", "bomb"))
    return markdown.read(text)
