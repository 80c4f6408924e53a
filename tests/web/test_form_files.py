"""A form with a file is read in memory, within the bounds of its page."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from bot.core.errors import CallbackTooLarge, InputInvalid, XinqingError
from bot.web.access import Access
from bot.web.forms import Form, read_form

PAGE = Access("people.import", form_bytes=1000, file_bytes=2000)
TYPE = "multipart/form-data; boundary=xx"


def _part(name: str, content: bytes, filename: str | None = None) -> bytes:
    more = f'; filename="{filename}"' if filename is not None else ""
    head = f'--xx\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + content + b"\r\n"


END = b"--xx--\r\n"


async def _read(body: bytes, access: Access = PAGE, content_type: str = TYPE) -> Form:
    sent = [body[:7], body[7:]]

    async def receive() -> dict[str, object]:
        chunk = sent.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(sent)}

    headers = [(b"content-type", content_type.encode())]
    return await read_form(Request({"type": "http", "headers": headers}, receive), access)


async def test_fields_and_file_come_through() -> None:
    body = _part("csrf", b"abc") + _part("file", b"\x00\r\n\xff--x", "名单.xlsx") + END
    form = await _read(body)
    assert form.fields == {"csrf": "abc"}
    assert form.files["file"].name == "名单.xlsx"
    assert form.files["file"].content == b"\x00\r\n\xff--x"


async def test_no_file_chosen_is_no_file() -> None:
    form = await _read(_part("csrf", b"abc") + _part("file", b"", "") + END)
    assert form.files == {}


async def test_a_file_may_not_be_longer_than_its_page_allows() -> None:
    with pytest.raises(CallbackTooLarge):
        await _read(_part("file", b"x" * 2001, "a.xlsx") + END)
    with pytest.raises(CallbackTooLarge):
        await _read(_part("field", b"x" * 1001) + END)
    with pytest.raises(CallbackTooLarge):
        await _read(b"x" * 3001)


async def test_a_page_without_files_takes_none() -> None:
    access = Access("people.import")
    with pytest.raises(InputInvalid):
        await _read(_part("file", b"x", "a.xlsx") + END, access)
    form = await _read(b"a=1&b=%E5%A5%BD", access, "application/x-www-form-urlencoded")
    assert form.fields == {"a": "1", "b": "好"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nothing",
        _part("a", b"cut"),
        _part("a", b"\xff\xfe") + END,
        _part("f", b"1", "a") + _part("g", b"2", "b") + END,
        b"".join(_part("f", b"") for _ in range(53)) + END,
    ],
)
async def test_what_is_no_form_is_refused(body: bytes) -> None:
    with pytest.raises(InputInvalid):
        await _read(body)


async def test_a_boundary_is_needed() -> None:
    with pytest.raises(InputInvalid):
        await _read(END, content_type="multipart/form-data")


@given(st.binary(max_size=400))
@settings(max_examples=60, deadline=None)
async def test_any_bytes_are_a_form_or_refused(body: bytes) -> None:
    try:
        form = await _read(body)
    except XinqingError:
        return
    assert all(len(text) <= PAGE.form_bytes for text in form.fields.values())
