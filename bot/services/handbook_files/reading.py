"""Read a file of entries whatever its name says: its first bytes tell what it is."""

import zipfile
from collections.abc import Iterable
from io import BytesIO

from bot.services.excel import FILE_BYTES
from bot.services.handbook_files import excel, markdown, pdf
from bot.services.handbook_files.rows import Read
from bot.services.handbook_files.words import said

_OLD_OFFICE = b"\xd0\xcf\x11\xe0"


def read_file(content: bytes, taken: Iterable[str] = ()) -> Read:
    """Return the rows of a Markdown, Excel or PDF file, or the sentence that says why not.

    Args:
        taken: ids of the handbook, for rows of a sheet that have none yet.
    """
    if len(content) > FILE_BYTES:
        return Read(problem=said("file", "too_big"))
    if content.startswith(b"%PDF"):
        return pdf.read(content)
    if content.startswith(_OLD_OFFICE):
        return Read(problem=said("file", "old_office"))
    if content.startswith(b"PK"):
        if _is_word(content):
            return Read(problem=said("file", "word"))
        return excel.read(content, taken)
    return markdown.read(content)


def _is_word(content: bytes) -> bool:
    try:
        with zipfile.ZipFile(BytesIO(content)) as packed:
            return any(name.startswith("word/") for name in packed.namelist())
    # The last is zipfile's word for a way of packing it does not know.
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
