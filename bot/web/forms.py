"""Read what a page's form sends: fields, and files where the access table allows one.

Everything stays in memory and within the bounds of the page's `Access`: no file of a person's ever
lies on the disk. Called by `bot.web.guard`.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from bot.core.errors import CallbackTooLarge, InputInvalid
from bot.core.privacy import clean
from bot.web.access import Access

MOST_FILES = 1
MULTIPART = "multipart/form-data"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with a form; `name` is what the sender's computer calls it."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """Fields, cleaned, the last value of a doubled one; and files by their field."""

    fields: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Upload] = field(default_factory=dict)


async def read_form(request: Request, access: Access) -> Form:
    """Read a form.

    Raises:
        CallbackTooLarge: longer than this page takes.
        InputInvalid: not a form, or one with a file where no file belongs.
    """
    content_type = request.headers.get("content-type", "")
    with_file = content_type.strip().lower().startswith(MULTIPART)
    if with_file and not access.file_bytes:
        raise InputInvalid("no file here")
    body = await _body(request, access.form_bytes + (access.file_bytes if with_file else 0))
    if with_file:
        return await asyncio.to_thread(_multipart, content_type, body, access)
    try:
        fields = parse_qs(
            body.decode(),
            keep_blank_values=True,
            max_num_fields=access.form_fields,
            errors="strict",
        )
    except ValueError:
        raise InputInvalid("not a form") from None
    return Form({name: clean(values[-1]) for name, values in fields.items()})


async def _body(request: Request, most: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise CallbackTooLarge("form")
    return bytes(body)


@dataclass
class _Part:
    name: str = ""
    filename: str | None = None
    content: bytearray = field(default_factory=bytearray)


class _Parts:
    """Gathers the parts of a form as the parser comes to them."""

    def __init__(self, access: Access) -> None:
        self.done: list[_Part] = []
        self.ended = False
        self._access = access
        self._part = _Part()
        self._header = bytearray()
        self._value = bytearray()

    def begin(self) -> None:
        """Begin a part."""
        if len(self.done) >= self._access.form_fields + MOST_FILES:
            raise InputInvalid("too many fields")
        self._part = _Part()

    def header_begin(self) -> None:
        """Begin a header."""
        self._header, self._value = bytearray(), bytearray()

    def header_field(self, data: bytes, start: int, end: int) -> None:
        """Take a piece of a header's name."""
        self._header += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        """Take a piece of a header's value."""
        self._value += data[start:end]

    def header_end(self) -> None:
        """Note what the part is called."""
        if bytes(self._header).lower() != b"content-disposition":
            return
        _, options = parse_options_header(bytes(self._value))
        self._part.name = _text(options.get(b"name", b""))
        if b"filename" in options:
            self._part.filename = _text(options[b"filename"])

    def data(self, data: bytes, start: int, end: int) -> None:
        """Take a piece of a part, within the bounds of a field or of a file."""
        most = self._access.form_bytes
        if self._part.filename is not None:
            most = self._access.file_bytes
        if len(self._part.content) + end - start > most:
            raise CallbackTooLarge("part")
        self._part.content += data[start:end]

    def end(self) -> None:
        """End a part."""
        files = sum(part.filename is not None for part in self.done)
        if self._part.filename is not None and files >= MOST_FILES:
            raise InputInvalid("too many files")
        self.done.append(self._part)

    def over(self) -> None:
        """Note that the last boundary came."""
        self.ended = True


def _multipart(content_type: str, body: bytes, access: Access) -> Form:
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise InputInvalid("no boundary")
    parts = _Parts(access)
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": parts.begin,
                "on_header_begin": parts.header_begin,
                "on_header_field": parts.header_field,
                "on_header_value": parts.header_value,
                "on_header_end": parts.header_end,
                "on_part_data": parts.data,
                "on_part_end": parts.end,
                "on_end": parts.over,
            },
        )
        parser.write(body)
        parser.finalize()
    except FormParserError:
        raise InputInvalid("not a form") from None
    if not parts.ended:
        raise InputInvalid("a form that was cut")
    return Form(
        {part.name: _text(part.content) for part in parts.done if part.filename is None},
        {
            part.name: Upload(part.filename, bytes(part.content))
            for part in parts.done
            if part.filename
        },
    )


def _text(raw: bytes | bytearray) -> str:
    try:
        return clean(raw.decode())
    except UnicodeDecodeError:
        raise InputInvalid("not a form") from None
