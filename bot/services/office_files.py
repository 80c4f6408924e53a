"""Word and Excel files that may be attached: no macros, no embedded files, nothing from outside.

Called by `file_types`. Source: ECMA-376 part 2 (packages, relationships); what a document can run
or fetch is named in its parts' names, its content types and its relationships.
"""

import io
import zipfile
import zlib
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from bot.core.errors import InputInvalid

_MOST_PARTS, _MOST_BYTES = 2000, 100 * 1024 * 1024
# A few bytes of a file become hundreds of each element here.
_MOST_ELEMENTS = 400_000
_MAIN = {
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml": "xlsx",
}
_TYPES = "[content_types].xml"
# zipfile says EOFError where a part is shorter than its header says.
_UNREADABLE = (zipfile.BadZipFile, EOFError)
# Parts of names that stand for programs and for other files inside.
_ACTIVE = (
    "vbaproject",
    "vbadata",
    "activex",
    "embeddings/",
    "externallinks/",
    "macrosheets/",
    "dialogsheets/",
    "attachedtoolbars",
    "customui/",
)
_ACTIVE_TYPES = ("macroenabled", "vbaproject", "activex", "oleobject")
_FETCHING = ("attachedtemplate", "oleobject", "frame", "subdocument", "externallink", "control")


def kind(content: bytes) -> str:
    """Return `docx`, `xlsx`, or nothing for any other archive."""
    # zipfile says NotImplementedError of a way of packing it doesn't know, RuntimeError of a lock.
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return _main(archive)
    except (zipfile.BadZipFile, InputInvalid, ValueError, OSError, NotImplementedError):
        return ""


def check(content: bytes) -> bytes:
    """Return a document as it is.

    Raises:
        InputInvalid: it is broken, locked, too big inside, or not only a document.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check(archive)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, RuntimeError):
        raise InputInvalid("file_broken", field="file") from None
    return content


def _check(archive: zipfile.ZipFile) -> None:
    parts = archive.infolist()
    names = [part.filename.lower().replace("\\", "/") for part in parts]
    if any(part.flag_bits & 1 for part in parts):
        raise InputInvalid("file_locked", field="file")
    if len(parts) > _MOST_PARTS or sum(part.file_size for part in parts) > _MOST_BYTES:
        raise InputInvalid("file_opaque", field="file")
    if len(set(names)) != len(names) or any(".." in name for name in names):
        raise InputInvalid("file_broken", field="file")
    if any(word in name for name in names for word in _ACTIVE):
        raise InputInvalid("file_active", field="file")
    for part, name in zip(parts, names, strict=True):
        if name == _TYPES or name.endswith(".rels"):
            _check_part(_xml(archive, part))
        elif name.startswith("word/") and name.endswith(".xml"):
            _check_fields(_xml(archive, part))


def _check_part(root: Element) -> None:
    """Refuse active content types, and relationships that fetch something by themselves."""
    for element in root.iter():
        content_type = element.get("ContentType", "").lower()
        if any(word in content_type for word in _ACTIVE_TYPES):
            raise InputInvalid("file_active", field="file")
        relation = element.get("Type", "").lower().rsplit("/", 1)[-1]
        outside = element.get("TargetMode", "").lower() == "external"
        if relation in _FETCHING or (outside and relation != "hyperlink"):
            raise InputInvalid("file_active", field="file")


def _check_fields(root: Element) -> None:
    """Refuse fields by which Word starts another program; their words may be cut into pieces."""
    said = "".join(text for text in _instructions(root)).upper()
    if "DDEAUTO" in said or "DDE " in said:
        raise InputInvalid("file_active", field="file")


def _instructions(root: Element) -> Iterator[str]:
    for element in root.iter():
        tag = str(element.tag).rsplit("}", 1)[-1]
        if tag == "instrText":
            yield element.text or ""
        elif tag == "fldSimple":
            yield from (value for name, value in element.items() if name.endswith("instr"))


def _main(archive: zipfile.ZipFile) -> str:
    for part in archive.infolist():
        if part.filename.lower() == _TYPES:
            for element in _xml(archive, part).iter():
                found = _MAIN.get(element.get("ContentType", ""))
                if found:
                    return found
                if "macroenabled" in element.get("ContentType", "").lower():
                    return "docx" if "word" in element.get("ContentType", "").lower() else "xlsx"
    return ""


def _xml(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> Element:
    if part.file_size > _MOST_BYTES // 4:
        raise InputInvalid("file_opaque", field="file")
    try:
        content = archive.read(part)
        if content.count(b"<") > _MOST_ELEMENTS:
            raise InputInvalid("file_opaque", field="file")
        root: Element = ElementTree.fromstring(content)
    except (ParseError, DefusedXmlException, *_UNREADABLE, zlib.error, RuntimeError):
        raise InputInvalid("file_broken", field="file") from None
    return root
