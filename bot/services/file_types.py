"""What a file really is, by its bytes, and whether it may be kept: an allow-list, no virus scanner.

Called by `attachments`. A file whose name lies, that carries a program, macros, scripts or other
files, or that can't be looked into is refused. Pictures lose their place and camera data here.
"""

import re
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import MappingProxyType

from bot.core.errors import InputInvalid
from bot.services import office_files, pictures

MOST_BYTES = 5 * 1024 * 1024
_MOST_INFLATED = 64 * 1024 * 1024
_LONGEST_NAME = 80
_PDF, _OFFICE = b"%PDF-", b"PK\x03\x04"
# A name in a PDF may be written with codes (`/J#61vaScript`).
_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")
_ACTIVE = re.compile(
    rb"/(JavaScript|Launch|EmbeddedFiles?|RichMedia|Rendition|SubmitForm|ImportData|GoToE|XFA)"
    rb"(?![A-Za-z0-9])"
)
# In an object stream: packed by more than one plain filter, or kept in another file.
_FILTER = re.compile(rb"/Filter\s*(?:/(?:FlateDecode|Fl)|\[\s*/(?:FlateDecode|Fl)\s*\])(?![\w#])")
_HIDING = re.compile(rb"/(?:DecodeParms|DP|F|FFilter|FDecodeParms|Crypt)(?![A-Za-z0-9])")
_COUNT, _FIRST = re.compile(rb"/N\s+\d+\s*[/>]"), re.compile(rb"/First\s+\d+\s*[/>]")
_STREAM = re.compile(rb"(?<!end)stream(\r\n|\n|)")
_PIECE = 4096
_PROGRAMS = (b"MZ", b"\x7fELF", b"#!", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe")


@dataclass(frozen=True, slots=True)
class Checked:
    """A file that may be kept.

    Args:
        name: cleaned, with the ending of what it is.
        content: as it is kept; a picture without what tells where it was taken.
    """

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class _Type:
    media_type: str
    endings: tuple[str, ...]
    check: Callable[[bytes], bytes]


def check(name: str, content: bytes) -> Checked:
    """Return what may be kept of a file.

    Raises:
        InputInvalid: why not, by a code; nothing of the name or content is in it.
    """
    if not content:
        raise InputInvalid("file_empty", field="file")
    if len(content) > MOST_BYTES:
        raise InputInvalid("file_too_big", field="file")
    found = _TYPES.get(_kind(content))
    stem, ending = _split(name)
    if found is None:
        program = content.startswith(_PROGRAMS)
        lies = any(ending in one.endings for one in _TYPES.values())
        code = "file_program" if program else "file_lies" if lies else "file_unknown"
        raise InputInvalid(code, field="file")
    if ending not in found.endings:
        raise InputInvalid("file_lies", field="file")
    return Checked(f"{stem}.{found.endings[0]}", found.media_type, found.check(content))


def _kind(content: bytes) -> str:
    if content.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "webp"
    if content.startswith(_PDF):
        return "pdf"
    return office_files.kind(content) if content.startswith(_OFFICE) else ""


def _split(name: str) -> tuple[str, str]:
    """Return a name that is safe anywhere, without its ending, and the ending.

    Control and direction marks go: with one of them `gpj.exe` can be made to read `exe.jpg`.
    """
    text = unicodedata.normalize("NFC", name.replace("\\", "/").rsplit("/", 1)[-1])
    text = "".join(
        "_" if letter in '<>:"|?*%' else letter
        for letter in text
        if unicodedata.category(letter)[0] != "C"
    )
    stem, dot, ending = text.rpartition(".")
    if not dot:
        stem, ending = text, ""
    return stem.strip(". ")[:_LONGEST_NAME] or "file", ending.strip().lower()


def _pdf(content: bytes) -> bytes:
    """Refuse a PDF that does anything, carries a file, or hides what it holds.

    Source: ISO 32000-1, 7.3.5 (names), 7.5.7 (object streams), 12.6 (actions).
    """
    if b"%%EOF" not in content[-2048:]:
        raise InputInvalid("file_broken", field="file")
    plain = _unescaped(content)
    if b"/Encrypt" in plain:
        raise InputInvalid("file_locked", field="file")
    if _ACTIVE.search(plain) or any(_ACTIVE.search(_unescaped(o)) for o in _objects(content)):
        raise InputInvalid("file_active", field="file")
    return content


def _unescaped(content: bytes) -> bytes:
    return _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), content)


def _objects(content: bytes) -> Iterator[bytes]:
    """Yield what is packed in object streams; refuse one that can't be looked into for sure.

    What stands in other streams (pages, pictures, letters) does nothing by itself. A stream is
    judged by all that stands before it since the last one, so that no string hides a part of it.
    """
    left, seen = _MOST_INFLATED, 0
    for start in _STREAM.finditer(content):
        said = _unescaped(content[seen : start.start()])
        seen = start.end()
        if b"/ObjStm" not in said and not (_COUNT.search(said) and _FIRST.search(said)):
            continue
        filters = _FILTER.findall(said)
        if not filters and b"/Filter" not in said:
            continue
        simple = len(filters) == said.count(b"/Filter") == 1
        if not simple or _HIDING.search(said) or start[1] not in (b"\n", b"\r\n"):
            raise InputInvalid("file_opaque", field="file")
        part = _inflated(content, start.end(), left)
        left -= len(part)
        yield part


def _inflated(content: bytes, start: int, most: int) -> bytes:
    """Return what is packed from a place on, read in small pieces: the rest is never copied."""
    packed, found = zlib.decompressobj(), bytearray()
    try:
        while not packed.eof and start < len(content) and len(found) <= most:
            piece = content[start : start + _PIECE]
            found += packed.decompress(piece, most + 1 - len(found))
            start += _PIECE
    except zlib.error:
        raise InputInvalid("file_opaque", field="file") from None
    if not packed.eof or len(found) > most:
        raise InputInvalid("file_opaque", field="file")
    return bytes(found)


_DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_TYPES = MappingProxyType(
    {
        "jpeg": _Type("image/jpeg", ("jpg", "jpeg"), pictures.jpeg),
        "png": _Type("image/png", ("png",), pictures.png),
        "webp": _Type("image/webp", ("webp",), pictures.webp),
        "pdf": _Type("application/pdf", ("pdf",), _pdf),
        "docx": _Type(_DOCX, ("docx",), office_files.check),
        "xlsx": _Type(_XLSX, ("xlsx",), office_files.check),
    }
)
MEDIA_TYPES = tuple(one.media_type for one in _TYPES.values())
ENDINGS = tuple(ending for one in _TYPES.values() for ending in one.endings)
