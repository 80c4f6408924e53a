"""Pictures without what tells where, when and with what they were taken; and only pictures.

Called by `file_types`. A photo of a letter that was taken at home carries the home's coordinates.
Everything that draws the picture stays as it is; only which way up a JPEG is kept of its EXIF.
Sources: ITU-T T.81 annex B, EXIF 2.32 §4.6, PNG (W3C) §5, WebP container (RFC 9649).
"""

import struct
import zlib
from collections.abc import Iterator

from bot.core.errors import InputInvalid

_MOST_PIXELS = 120_000_000
_SOI, _EOI, _SOS = b"\xff\xd8", 0xD9, 0xDA
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# APP0 JFIF, APP2 colour profile, APP14 Adobe's colour transform; all others tell of the camera.
_KEPT_APPS = frozenset({0xE0, 0xE2, 0xEE})
_EXIF = b"Exif\x00\x00"
_ORIENTATION = 0x0112
_PNG = b"\x89PNG\r\n\x1a\n"
_TELLING = (b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME")
_EXIF_FLAG, _XMP_FLAG = 0x08, 0x04


def _broken() -> InputInvalid:
    return InputInvalid("file_broken", field="file")


def _check_size(width: int, height: int) -> None:
    if not 0 < width * height <= _MOST_PIXELS:
        raise InputInvalid("file_opaque", field="file")


def jpeg(content: bytes) -> bytes:
    """Return a JPEG without EXIF, XMP, IPTC and comments, and nothing behind its end.

    Raises:
        InputInvalid: it is broken.
    """
    kept, place, framed = bytearray(_SOI), 2, False
    while True:
        marker, place = _marker(content, place)
        if marker == _EOI:
            if not framed:
                raise _broken()
            return bytes(kept + b"\xff\xd9")
        if len(content) < place + 2:
            raise _broken()
        length = struct.unpack_from(">H", content, place)[0]
        segment = content[place : place + length]
        if length < 2 or len(segment) != length:
            raise _broken()
        place += length
        if marker in _FRAMES:
            framed = True
            _check_frame(segment)
        if marker == 0xE1 and segment[2:8] == _EXIF:
            kept += _upright(segment[8:])
        if marker in _KEPT_APPS or not (0xE0 <= marker <= 0xEF or marker == 0xFE):
            kept += bytes((0xFF, marker)) + segment
        if marker == _SOS:
            end = _scan_end(content, place)
            kept += content[place:end]
            place = end


def _marker(content: bytes, place: int) -> tuple[int, int]:
    """Return the marker at a place and where its segment begins; fill bytes are passed over."""
    if content[place : place + 1] != b"\xff":
        raise _broken()
    while content[place : place + 1] == b"\xff":
        place += 1
    if place >= len(content):
        raise _broken()
    return content[place], place + 1


def _check_frame(segment: bytes) -> None:
    if len(segment) < 7:
        raise _broken()
    height, width = struct.unpack_from(">HH", segment, 3)
    _check_size(width, height)


def _scan_end(content: bytes, place: int) -> int:
    """Return where the coded data of a scan ends: at the first marker that is no restart."""
    while True:
        place = content.find(b"\xff", place)
        if place < 0 or place + 1 >= len(content):
            raise _broken()
        after = content[place + 1]
        if after != 0 and not 0xD0 <= after <= 0xD7 and after != 0xFF:
            return place
        place += 1 if after == 0xFF else 2


def _upright(exif: bytes) -> bytes:
    """Return an EXIF segment that holds which way up the picture is, and nothing else."""
    turned = _orientation(exif)
    if turned in (0, 1):
        return b""
    entry = struct.pack(">HHIHH", _ORIENTATION, 3, 1, turned, 0)
    tiff = b"MM\x00\x2a" + struct.pack(">I", 8) + struct.pack(">H", 1) + entry + bytes(4)
    return b"\xff\xe1" + struct.pack(">H", 2 + len(_EXIF) + len(tiff)) + _EXIF + tiff


def _orientation(exif: bytes) -> int:
    """Return the EXIF orientation, 1 to 8; 0 where none can be read."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None or len(exif) < 8:
        return 0
    first = struct.unpack_from(f"{order}I", exif, 4)[0]
    if first + 2 > len(exif):
        return 0
    count = struct.unpack_from(f"{order}H", exif, first)[0]
    for number in range(min(count, 100)):
        place = first + 2 + 12 * number
        if place + 12 > len(exif):
            return 0
        tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, place)
        if tag == _ORIENTATION:
            return int(value) if kind == 3 and 1 <= value <= 8 else 0
    return 0


def png(content: bytes) -> bytes:
    """Return a PNG without texts, EXIF and time, and nothing behind its end.

    Raises:
        InputInvalid: it is broken.
    """
    kept, first = bytearray(_PNG), True
    for name, data, whole in _chunks(content):
        if first:
            if name != b"IHDR" or len(data) != 13:
                raise _broken()
            _check_size(*struct.unpack_from(">II", data))
            first = False
        if name not in _TELLING:
            kept += whole
        if name == b"IEND":
            return bytes(kept)
    raise _broken()


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    place = len(_PNG)
    while place + 12 <= len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        whole = content[place : place + 12 + length]
        if len(whole) != 12 + length:
            return
        data = whole[8:-4]
        if zlib.crc32(name + data) != struct.unpack(">I", whole[-4:])[0]:
            return
        yield name, data, whole
        place += len(whole)


def webp(content: bytes) -> bytes:
    """Return a WebP without EXIF and XMP, and nothing behind its end.

    Raises:
        InputInvalid: it is broken.
    """
    end = 8 + struct.unpack_from("<I", content, 4)[0] if len(content) >= 12 else 0
    if not 20 <= end <= len(content):
        raise _broken()
    kept, place, drawn = bytearray(), 12, False
    while place + 8 <= end:
        name, length = struct.unpack_from("<4sI", content, place)
        whole = content[place : place + 8 + length + length % 2]
        if len(whole) < 8 + length or place + len(whole) > end:
            raise _broken()
        place += len(whole)
        if name in (b"EXIF", b"XMP "):
            continue
        if name == b"VP8X" and length >= 10:
            flags = whole[8] & ~(_EXIF_FLAG | _XMP_FLAG)
            whole = whole[:8] + bytes((flags,)) + whole[9:]
        drawn = drawn or name in (b"VP8 ", b"VP8L", b"ANMF")
        kept += whole
    if not drawn or place != end:
        raise _broken()
    return b"RIFF" + struct.pack("<I", 4 + len(kept)) + b"WEBP" + bytes(kept)
