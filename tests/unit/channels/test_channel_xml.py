"""The guarded XML reader and the reply writer."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wechatpy.parser import parse_message

from bot.channels import xml
from bot.channels.words import fit
from bot.core.errors import CallbackMalformed


def parse(text: str) -> dict[str, str]:
    return xml.parse_fields(text)


def test_reads_cdata_plain_text_and_nested_fields() -> None:
    fields = parse(
        "<xml><A><![CDATA[ 甲 <b> ]]></A><B>&lt;乙&gt;</B><C/>"
        "<D><List><Id>1</Id></List><List><Id>2</Id></List></D></xml>"
    )
    assert fields == {"A": " 甲 <b> ", "B": "<乙>", "C": "", "D.List.Id": "1"}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("孩子", id="no tags"),
        pytest.param("<xml><A>1</A>", id="cut off"),
        pytest.param("<xml><A>1</B></xml>", id="crossed"),
        pytest.param("<xml><A>1</A><A>2</A></xml>", id="field twice"),
        pytest.param("<xml><A>1</A><A><B>2</B></A></xml>", id="field twice, nested"),
        pytest.param("<xml><A>words<B>2</B></A></xml>", id="words before a tag"),
        pytest.param("<xml><A><B>2</B>words</A></xml>", id="words after a tag"),
        pytest.param("<!DOCTYPE xml><xml><A>1</A></xml>", id="DOCTYPE"),
        pytest.param(
            '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><xml><A>&e;</A></xml>',
            id="external entity",
        ),
        pytest.param("<xml><A>&e;</A></xml>", id="unknown entity"),
        pytest.param("<a>" * 100_000 + "</a>" * 100_000, id="100k nested tags"),
        pytest.param("<xml>" + "".join(f"<f{i}/>" for i in range(600)) + "</xml>", id="wide"),
        pytest.param("<xml></xml><xml></xml>", id="two roots"),
    ],
)
def test_refuses(text: str) -> None:
    with pytest.raises(CallbackMalformed):
        parse(text)


def test_entity_bomb_is_refused_at_the_doctype() -> None:
    bomb = '<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(8)
    )
    with pytest.raises(CallbackMalformed, match="DOCTYPE"):
        parse(bomb + "]><xml><A>&i;</A></xml>")


def test_mends_what_xml_forbids() -> None:
    assert parse("<xml><A>想\x00死\x08\ud83d了\uffff</A></xml>") == {"A": "想死\ufffd了"}


def test_decode_keeps_what_can_be_read() -> None:
    assert xml.decode("想死".encode() + b"\xff\xfe" + "了".encode()) == "想死\ufffd\ufffd了"
    assert xml.decode("想死\ud83d".encode("utf-8", "surrogatepass")) == "想死\ud83d"


def test_reads_a_whole_mebibyte() -> None:
    words = "啊" * 340_000 + "不想活了"
    assert parse(f"<xml><Content><![CDATA[{words}]]></Content></xml>")["Content"] == words


@given(text=st.text(max_size=300))
def test_never_raises_anything_but_malformed(text: str) -> None:
    for candidate in (text, f"<xml>{text}</xml>", f"<xml><A><![CDATA[{text}]]></A></xml>"):
        try:
            fields = parse(candidate)
        except CallbackMalformed:
            continue
        assert all(isinstance(value, str) for value in fields.values())


@given(body=st.binary(max_size=300))
def test_random_bytes_never_raise_anything_but_malformed(body: bytes) -> None:
    try:
        parse(xml.decode(body))
    except CallbackMalformed:
        return


@given(text=st.text(max_size=400))
def test_a_reply_is_always_well_formed_and_says_the_same(text: str) -> None:
    reply = xml.text_reply(to="oParent0001", sender="gh_school001", created=1767225600, text=text)
    content = ElementTree.fromstring(reply).findtext("Content") or ""
    # XML reads "\r\n" and "\r" as "\n".
    expected = fit(text).replace("\r\n", "\n").replace("\r", "\n")
    assert content == expected


def test_cdata_end_and_control_characters_in_an_answer() -> None:
    text = "前]]><Content>坏</Content>\x08后"
    reply = xml.text_reply(to="o1", sender="gh_1", created=1, text=text)
    assert parse(reply)["Content"] == "前]]><Content>坏</Content>后"
    assert parse_message(reply).content == "前]]><Content>坏</Content>后"
