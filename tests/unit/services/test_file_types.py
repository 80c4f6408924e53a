"""What a file really is: by its bytes, whatever it is called."""

import io
import struct
import zipfile
import zlib

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import InputInvalid
from bot.services import file_types
from bot.services.file_types import ENDINGS, MOST_BYTES, check

PLACE = b"GPS 30.2741N 120.1551E"
DDE = "<a><instrText>DDE</instrText><instrText>AUTO c</instrText></a>"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"


def _segment(marker: int, data: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data


def _jpeg(*extra: bytes, turned: int = 6) -> bytes:
    tiff = b"II*\x00" + struct.pack("<IH", 8, 1) + struct.pack("<HHIHH", 0x0112, 3, 1, turned, 0)
    exif = b"Exif\x00\x00" + tiff + bytes(4) + PLACE
    frame = struct.pack(">BHHB", 8, 20, 30, 1) + b"\x01\x11\x00"
    scan = _segment(0xDA, b"\x01\x01\x00\x00\x3f\x00") + b"\x12\xff\x00\x34\xff\xd0\x56"
    head = _segment(0xE0, b"JFIF\x00") + _segment(0xE1, exif) + _segment(0xFE, PLACE)
    return b"\xff\xd8" + head + b"".join(extra) + _segment(0xC0, frame) + scan + b"\xff\xd9"


def _chunk(name: bytes, data: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(name + data))
    return struct.pack(">I", len(data)) + name + data + check


def _png(width: int = 3, height: int = 2) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(10 * height))
    parts = ((b"IHDR", head), (b"eXIf", PLACE), (b"tEXt", PLACE), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _webp() -> bytes:
    parts = b""
    flags = bytes((0x0C, 0, 0, 0, 1, 0, 0, 1, 0, 0))
    for name, data in ((b"VP8X", flags), (b"VP8L", b"\x2f" + bytes(9)), (b"EXIF", PLACE)):
        parts += name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(parts)) + b"WEBP" + parts


def _pdf(body: bytes = b"<</Type/Catalog>>") -> bytes:
    return b"%PDF-1.7\n1 0 obj" + body + b"endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


def _packed(body: bytes, head: bytes = b"/Type/ObjStm/Filter/FlateDecode") -> bytes:
    stream = zlib.compress(body)
    return _pdf(b"<<" + head + b">>stream\r\n" + stream + b"\nendstream ")


def _xlsx() -> bytes:
    book, out = openpyxl.Workbook(), io.BytesIO()
    book.save(out)
    return out.getvalue()


def _docx(parts: dict[str, str] | None = None, *, main: str = WORD) -> bytes:
    types = "http://schemas.openxmlformats.org/package/2006/content-types"
    held = {
        "[Content_Types].xml": f'<Types xmlns="{types}"><Override PartName="/word/document.xml" '
        f'ContentType="{main}"/></Types>',
        "word/document.xml": "<w:document xmlns:w='w'><w:t>联系记录</w:t></w:document>",
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in (held | (parts or {})).items():
            archive.writestr(name, text)
    return out.getvalue()


def _rels(relation: str, *, outside: bool) -> dict[str, str]:
    mode = ' TargetMode="External"' if outside else ""
    line = f'<Relationship Type="http://x/{relation}" Target="http://x/y"{mode}/>'
    return {"word/_rels/document.xml.rels": f"<Relationships>{line}</Relationships>"}


def _told(name: str, content: bytes) -> str:
    """Return what a file was taken for, or why it was not taken."""
    try:
        return check(name, content).media_type
    except InputInvalid as error:
        return str(error)


GOOD = {
    "照片.jpg": _jpeg(),
    "截图.PNG": _png(),
    "图.webp": _webp(),
    "回执.pdf": _pdf(),
    "记录.docx": _docx(),
    "表.xlsx": _xlsx(),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_what_it_says_is_taken(name: str) -> None:
    found = check(name, GOOD[name])
    assert found.name.rsplit(".", 1)[0] == name.rsplit(".", 1)[0]
    assert check(found.name, found.content) == found


@pytest.mark.parametrize("name", ["照片.jpg", "截图.PNG", "图.webp"])
def test_a_picture_does_not_say_where_it_was_taken(name: str) -> None:
    found = check(name, GOOD[name] + b"PK\x03\x04 behind the end")
    assert PLACE in GOOD[name]
    assert PLACE not in found.content
    assert b"behind" not in found.content


def test_a_photo_stays_the_right_way_up() -> None:
    kept = check("a.jpg", _jpeg(turned=6)).content
    assert struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0) in kept
    assert b"Exif" not in check("a.jpg", _jpeg(turned=1)).content


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.pdf", b"", "file_empty"),
        ("a.pdf", b"%PDF" + bytes(MOST_BYTES), "file_too_big"),
        ("a.jpg", b"MZ\x90\x00", "file_program"),
        ("a.pdf", b"\x7fELF", "file_program"),
        ("a.txt", "一段话".encode(), "file_unknown"),
        ("a.heic", b"\x00\x00\x00\x18ftypheic", "file_unknown"),
        ("a.jpg", _png(), "file_lies"),
        ("a.png", _pdf(), "file_lies"),
        ("a.pdf", b"<html><script>", "file_lies"),
        ("a.docx", _xlsx(), "file_lies"),
        ("a.pdf.exe", _pdf(), "file_lies"),
        ("a.jpg", _jpeg()[:-20], "file_broken"),
        ("a.png", _png().replace(b"IDAT", b"IDAX"), "file_broken"),
        ("a.png", _png(60_000, 60_000), "file_opaque"),
        ("a.webp", _webp()[:-9], "file_broken"),
        ("a.pdf", _pdf()[:-8], "file_broken"),
    ],
)
def test_what_lies_or_is_broken_is_refused(name: str, content: bytes, code: str) -> None:
    with pytest.raises(InputInvalid, match=f"^{code}$") as caught:
        check(name, content)
    assert caught.value.field == "file"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (_pdf(b"<</OpenAction<</S/JavaScript/JS(x)>>>>"), "file_active"),
        (_pdf(b"<</OpenAction<</S/J#61vaScr#69pt/JS(x)>>>>"), "file_active"),
        (_packed(b"1 0 <</S/Launch/F(x)>>"), "file_active"),
        (_packed(b"1 0 <</S/L#61unch/F(x)>>"), "file_active"),
        (_pdf(b"<</Names<</EmbeddedFiles 2 0 R>>>>"), "file_active"),
        (_pdf(b"<</AcroForm<</XFA 3 0 R>>>>"), "file_active"),
        (_pdf(b"<</Encrypt 3 0 R>>"), "file_locked"),
        (_packed(b"x", b"/Type/ObjStm/Filter[/ASCIIHexDecode/FlateDecode]"), "file_opaque"),
    ],
)
def test_a_pdf_that_does_something_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(InputInvalid, match=f"^{code}$"):
        check("a.pdf", content)


@pytest.mark.parametrize(
    "head",
    [
        b"/Type/ObjStm/Filter[/FlateDecode/FlateDecode]",
        b"/Type/ObjStm/Filter 5 0 R",
        b"/Type/ObjStm/Filter/FlateDecode/Filter/Fl",
        b"/Type/ObjStm/Filter/FlateDecode/DecodeParms<</Predictor 12/Columns 5>>",
        b"/Type/Obj#53tm/Filter/FlateDecode/DecodeParms 5 0 R",
        b"/Type/ObjStm/Filter/FlateDecode/F(elsewhere)",
        b"/N 1/First 4/Filter/LZWDecode",
    ],
)
def test_a_pdf_that_packs_its_objects_so_that_nobody_can_look_is_refused(head: bytes) -> None:
    with pytest.raises(InputInvalid, match=r"^file_opaque$"):
        check("a.pdf", _packed(b"1 0 <<>>", head))


def test_objects_that_do_not_unpack_are_refused() -> None:
    whole = _packed(b"1 0 <</S/Launch/F(x)>>")
    with pytest.raises(InputInvalid, match=r"^file_opaque$"):
        check("a.pdf", whole.replace(b"stream\r\n", b"stream\r"))
    # A reader does not mind a wrong checksum.
    at = whole.index(b"\nendstream")
    changed = whole[: at - 1] + bytes((whole[at - 1] ^ 1,)) + whole[at:]
    with pytest.raises(InputInvalid, match=r"^file_opaque$"):
        check("a.pdf", changed)


def test_packed_objects_of_an_honest_pdf_are_taken() -> None:
    for head in (
        b"/Type/ObjStm/N 1/First 4/Filter/FlateDecode/Length 9",
        b"/Type /ObjStm /N 1 /First 4 /Filter [ /FlateDecode ] ",
        b"/Type/XRef/W[1 2 1]/Filter/FlateDecode/DecodeParms<</Predictor 12/Columns 4>>",
        b"/Subtype/Image/Filter/DCTDecode",
    ):
        assert check("a.pdf", _packed(b"1 0 <</Type/Catalog>>", head)).name == "a.pdf"


def test_many_streams_are_looked_through_at_once() -> None:
    # Copying the rest of the file for each would take minutes: whoever brings that back waits here.
    small = b"stream\n" + zlib.compress(b"a")
    content = _pdf(small * (4 * 1024 * 1024 // len(small)))
    assert check("a.pdf", content).name == "a.pdf"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (_docx({"word/vbaProject.bin": "x"}), "file_active"),
        (_docx({"word/embeddings/a.bin": "x"}), "file_active"),
        (
            _docx(main=WORD.replace("openxmlformats-officedocument", "x-macroEnabled")),
            "file_active",
        ),
        (_docx(_rels("attachedTemplate", outside=True)), "file_active"),
        (_docx(_rels("image", outside=True)), "file_active"),
        (_docx(_rels("oleObject", outside=False)), "file_active"),
        (
            _docx({"word/footer1.xml": DDE}),
            "file_active",
        ),
        (_docx({"word/_rels/a.rels": "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"}), "file_broken"),
        (_docx({"../evil.xml": "x"}), "file_broken"),
        (_docx({"word/a.xml": f"<a>{'<b/>' * 500_000}</a>"}), "file_opaque"),
    ],
)
def test_a_document_that_does_something_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(InputInvalid, match=f"^{code}$"):
        check("a.docx", content)


def test_a_document_that_can_not_be_unpacked_is_refused() -> None:
    whole = _docx({"word/a.xml": f"<a>{'b' * 5000}</a>"})
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        part = archive.getinfo("word/a.xml")
    at = part.header_offset + 30 + len(part.filename)
    broken = whole[:at] + bytes(part.compress_size) + whole[at + part.compress_size :]
    for damaged in (broken, whole[:at] + b"\xff" * 8 + whole[at + 8 :]):
        assert _told("a.docx", damaged) == "file_broken"


def test_links_in_a_document_are_nothing_bad() -> None:
    assert check("a.docx", _docx(_rels("hyperlink", outside=True))).name == "a.docx"


def test_a_stream_that_swells_is_refused() -> None:
    with pytest.raises(InputInvalid, match="file_opaque"):
        check("a.pdf", _packed(bytes(70 * 1024 * 1024)))


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("../../etc/回执.pdf", "回执.pdf"),
        ("C:\\temp\\回执.pdf", "回执.pdf"),
        ("a\u202egpj.pdf", "agpj.pdf"),
        ("a\r\nSet-Cookie: x.pdf", "aSet-Cookie_ x.pdf"),
        (".pdf", "file.pdf"),
        ("字" * 300 + ".pdf", "字" * 80 + ".pdf"),
    ],
)
def test_a_name_is_cleaned(name: str, clean: str) -> None:
    assert check(name, _pdf()).name == clean


@given(st.text(max_size=60), st.binary(max_size=200))
def test_no_bytes_break_it(name: str, tail: bytes) -> None:
    for start in (
        b"",
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\x20\0\0\0WEBP",
        b"%PDF-",
        b"PK\3\4",
    ):
        for ending in ENDINGS:
            told = _told(f"{name}.{ending}", start + tail)
            assert told in file_types.MEDIA_TYPES or told.startswith("file_")


@given(st.sampled_from(sorted(GOOD)), st.data())
def test_a_changed_byte_breaks_nothing_but_the_file(name: str, data: st.DataObject) -> None:
    content = bytearray(GOOD[name])
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255))
    told = _told(name, bytes(content))
    assert told in file_types.MEDIA_TYPES or told.startswith("file_")


@pytest.mark.parametrize("name", [name for name in sorted(GOOD) if GOOD[name].startswith(b"PK")])
def test_a_part_shorter_than_it_says_is_a_broken_file(name: str) -> None:
    """A size in a part's own header that reaches into the next: zipfile then says EOFError."""
    for at in range(18, 30):
        for value in (0, 2, 255):
            content = bytearray(GOOD[name])
            content[at] = value
            told = _told(name, bytes(content))
            assert told in file_types.MEDIA_TYPES or told.startswith("file_")
