"""Signatures and the AES envelope that WeChat, WeCom and DingTalk put around callbacks.

wechatpy supplies the cipher and the block-32 padding. The framing is checked here, because its own
`decrypt` raises `struct.error` and `IndexError` on garbage, checks no padding and compares
signatures in variable time (docs/decisions/0002). Called by the channels.

Source: developers.weixin.qq.com, guide "message encryption and decryption";
developer.work.weixin.qq.com/document/path/90968.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass

from wechatpy.crypto import PrpCrypto
from wechatpy.crypto.pkcs7 import PKCS7Encoder

from bot.core.errors import CallbackRejected, ConfigInvalid

RANDOM_BYTES = 16
LENGTH_BYTES = 4
CIPHER_BLOCK = 16
PADDING_BLOCK = 32
KEY_LETTERS, KEY_BYTES = 43, 32


def sign(*parts: str) -> str:
    """Return the SHA-1 in hex over the sorted parts, as the platforms sign."""
    return hashlib.sha1("".join(sorted(parts)).encode("utf-8", "replace")).hexdigest()


def check_signature(signature: str, *parts: str) -> None:
    """Compare a signature in constant time.

    Raises:
        CallbackRejected: it is not the signature of these parts.
    """
    if not hmac.compare_digest(sign(*parts).encode(), signature.encode("utf-8", "replace")):
        raise CallbackRejected("wrong signature")


@dataclass(frozen=True, slots=True)
class Opened:
    """A decrypted message, and which key of the envelope opened it (0: the current one)."""

    text: str
    key_index: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted message with its signature."""

    encrypt: str
    signature: str
    timestamp: str
    nonce: str


class Envelope:
    """Opens and seals the messages of one platform account.

    Args:
        token: signs; must not be empty.
        encoding_aes_key: 43 characters.
        receive_id: app id, corp id, suite id or app key that must stand behind the message.
        previous_aes_key: the key before, still accepted while the platform changes over.
        allow_empty_receive_id: set for the WeCom AI bot, whose receive id is the empty string.

    Raises:
        ConfigInvalid: empty token, empty receive id, or a key of the wrong shape.
    """

    def __init__(
        self,
        token: str,
        encoding_aes_key: str,
        receive_id: str,
        *,
        previous_aes_key: str = "",
        allow_empty_receive_id: bool = False,
    ) -> None:
        if not token:
            raise ConfigInvalid("the callback token must not be empty")
        if not receive_id and not allow_empty_receive_id:
            raise ConfigInvalid("the receive id must not be empty")
        self._token = token
        self._receive_id = receive_id.encode()
        keys = [encoding_aes_key] + ([previous_aes_key] if previous_aes_key else [])
        self._ciphers = [PrpCrypto(_decode_key(key)).cipher for key in keys]

    def open(self, encrypt: str, *, signature: str, timestamp: str, nonce: str) -> Opened:
        """Check the signature and decrypt with the current key, then with the previous one.

        Raises:
            CallbackRejected: for every kind of failure, without saying which.
        """
        check_signature(signature, self._token, timestamp, nonce, encrypt)
        try:
            sealed = base64.b64decode(encrypt.encode("ascii"), validate=True)
        except (binascii.Error, ValueError):
            raise CallbackRejected("the envelope can't be opened") from None
        if not sealed or len(sealed) % CIPHER_BLOCK:
            raise CallbackRejected("the envelope can't be opened")
        for index, cipher in enumerate(self._ciphers):
            message = _unframe(cipher.decrypt(sealed), self._receive_id)
            if message is not None:
                return Opened(message, index)
        raise CallbackRejected("the envelope can't be opened")

    def seal(
        self,
        text: str,
        *,
        timestamp: str,
        nonce: str,
        key_index: int = 0,
        prefix: bytes | None = None,
    ) -> Sealed:
        """Encrypt and sign an answer.

        Args:
            text: the answer, already in the platform's own form (XML or JSON).
            key_index: the key that opened the callback.
            prefix: 16 bytes in place of random ones, for test vectors.
        """
        message = text.encode()
        framed = (prefix or secrets.token_bytes(RANDOM_BYTES)) + len(message).to_bytes(4, "big")
        padded = PKCS7Encoder.encode(framed + message + self._receive_id)
        encrypt = base64.b64encode(self._ciphers[key_index].encrypt(padded)).decode()
        return Sealed(encrypt, sign(self._token, timestamp, nonce, encrypt), timestamp, nonce)


def _decode_key(encoding_aes_key: str) -> bytes:
    try:
        key = base64.b64decode(encoding_aes_key + "=", validate=True)
    except ValueError:
        key = b""
    if len(encoding_aes_key) != KEY_LETTERS or len(key) != KEY_BYTES:
        raise ConfigInvalid(f"an EncodingAESKey has {KEY_LETTERS} letters and digits")
    return key


def _unframe(plain: bytes, receive_id: bytes) -> str | None:
    """Take the message out of `random(16) length(4) message receive_id padding`; None if broken."""
    padding = plain[-1]
    if not 1 <= padding <= PADDING_BLOCK or plain[-padding:] != bytes([padding]) * padding:
        return None
    body = plain[RANDOM_BYTES:-padding]
    length = int.from_bytes(body[:LENGTH_BYTES], "big")
    message = body[LENGTH_BYTES : LENGTH_BYTES + length]
    trailer = body[LENGTH_BYTES + length :]
    if len(body) < LENGTH_BYTES + length or not hmac.compare_digest(trailer, receive_id):
        return None
    # Signature, padding, length and receive id are right: it comes from the platform. Half an emoji
    # (a lone surrogate, which `core.privacy.clean` mends) or a broken byte must not cost a cry for
    # help: the rest is stored and screened.
    try:
        return message.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return message.decode("utf-8", "replace")
