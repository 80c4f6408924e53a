"""XML as the platforms send and take it: a guarded reader and a small reply writer.

The reader walks the text once with expat and gives up at the first DOCTYPE, the first level too
deep and the first field that comes twice, so that nothing is built from a hostile text. What XML
forbids inside a parent's words (control characters, half an emoji) is mended, not refused: a cry
for help must not be lost to a bad byte. Called by the WeChat channel.
"""

from collections.abc import Mapping
from xml.parsers import expat

from bot.channels.words import fit, xml_safe
from bot.core.errors import CallbackMalformed

MAX_DEPTH = 8
MAX_FIELDS = 512


def decode(body: bytes) -> str:
    """Return the body as text; broken UTF-8 becomes U+FFFD, so that the rest is still screened."""
    try:
        return body.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return body.decode("utf-8", "replace")


def parse_fields(text: str) -> dict[str, str]:
    """Read a flat platform message into its fields, without stripping their values.

    A field inside another one is named by its path (`SubscribeMsgSentEvent.List.MsgID`) and its
    first value counts; the fields of the message itself may come once only.

    Raises:
        CallbackMalformed: not well-formed, DOCTYPE, too deep, too many fields, a field twice.
    """
    walker = _Walker()
    try:
        walker.parser.Parse(xml_safe(text).encode(), True)
    except (expat.ExpatError, ValueError):
        raise CallbackMalformed("not a well-formed message") from None
    return walker.fields


def require(fields: Mapping[str, str], *names: str) -> None:
    """Check that fields are there and not empty.

    Raises:
        CallbackMalformed: names the first one that is missing.
    """
    for name in names:
        if not fields.get(name):
            raise CallbackMalformed(f"field {name} is missing")


class _Walker:
    """Collects leaves while expat reads; raises out of its handlers to stop reading."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self._top: set[str] = set()
        self._path: list[str] = []
        self._text: list[str] = []
        self._leaf = False
        self.parser = expat.ParserCreate("utf-8")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.CharacterDataHandler = self._text.append
        self.parser.EndElementHandler = self._end

    def _doctype(self, *_: object) -> None:
        raise CallbackMalformed("DOCTYPE is not allowed")

    def _start(self, name: str, _attributes: object) -> None:
        self._refuse_mixed()
        if len(self._path) == 1:
            if name in self._top:
                raise CallbackMalformed("a field comes twice")
            self._top.add(name)
        self._path.append(name)
        if len(self._path) > MAX_DEPTH or len(self.fields) >= MAX_FIELDS:
            raise CallbackMalformed("too deep or too many fields")
        self._leaf = True

    def _end(self, _name: str) -> None:
        if self._leaf and len(self._path) > 1:
            self.fields.setdefault(".".join(self._path[1:]), "".join(self._text))
            self._text.clear()
        self._refuse_mixed()
        self._path.pop()
        self._leaf = False

    def _refuse_mixed(self) -> None:
        # Words beside a tag would be dropped unseen; the platform never sends such a field.
        if any(part.strip() for part in self._text):
            raise CallbackMalformed("a field holds words and tags")
        self._text.clear()


def text_reply(*, to: str, sender: str, created: int, text: str) -> str:
    """Return the passive text reply that WeChat shows.

    Args:
        to: the openid that wrote.
        sender: our own id (`gh_…`).
        created: seconds since 1970.
        text: cut at 2,048 UTF-8 bytes.
    """
    return (
        f"<xml><ToUserName>{_cdata(to)}</ToUserName>"
        f"<FromUserName>{_cdata(sender)}</FromUserName><CreateTime>{created}</CreateTime>"
        f"<MsgType>{_cdata('text')}</MsgType><Content>{_cdata(fit(text))}</Content></xml>"
    )


def encrypted_reply(*, encrypt: str, signature: str, timestamp: str, nonce: str) -> str:
    """Return the outer XML around an encrypted reply."""
    return (
        f"<xml><Encrypt>{_cdata(encrypt)}</Encrypt>"
        f"<MsgSignature>{_cdata(signature)}</MsgSignature>"
        f"<TimeStamp>{timestamp}</TimeStamp><Nonce>{_cdata(nonce)}</Nonce></xml>"
    )


def _cdata(text: str) -> str:
    safe = xml_safe(text).replace("]]>", "]]]]><![CDATA[>")
    return f"<![CDATA[{safe}]]>"
