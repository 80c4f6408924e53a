"""The key ring and the field encryption built on it.

Layout of an encrypted field: `<key id>.<base64 of nonce(12) || ciphertext || tag>`, AES-256-GCM,
with the column's name as associated data, so that a value can't be moved to another column.
Called by `bot.db.types`, by signing of links and cookies, and by the rotation command.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.core.errors import ConfigInvalid, XinqingError

NONCE_BYTES = 12


class Undecipherable(XinqingError):
    """A stored field can't be read with any key of the ring."""


def _derive(master: bytes, purpose: str) -> bytes:
    return HKDF(SHA256(), 32, None, f"xinqing/{purpose}".encode()).derive(master)


@dataclass(frozen=True)
class _Key:
    key_id: str
    field: AESGCM
    signing: bytes
    index: bytes


class KeyRing:
    """Keys by id; the first one encrypts and signs, all of them decrypt and verify."""

    def __init__(self, masters: Sequence[tuple[str, bytes]]) -> None:
        self._keys = [
            _Key(
                key_id,
                AESGCM(_derive(master, "field")),
                _derive(master, "signing"),
                _derive(master, "index"),
            )
            for key_id, master in masters
        ]
        self._by_id = {key.key_id: key for key in self._keys}

    @classmethod
    def parse(cls, setting: str) -> "KeyRing":
        """Read `id:base64,id:base64` (32 bytes each).

        Raises:
            ConfigInvalid: for an empty, broken or doubled key; the value is never named.
        """
        masters: list[tuple[str, bytes]] = []
        for number, item in enumerate(filter(None, (p.strip() for p in setting.split(","))), 1):
            key_id, _, encoded = item.partition(":")
            try:
                master = base64.b64decode(encoded, validate=True)
            except ValueError:
                master = b""
            if not key_id.isalnum() or len(master) != 32:
                raise ConfigInvalid(f"XINQING_SECRET_KEYS: key {number} is not id:base64(32 bytes)")
            masters.append((key_id, master))
        if not masters or len({key_id for key_id, _ in masters}) != len(masters):
            raise ConfigInvalid("XINQING_SECRET_KEYS: needs at least one key, each id once")
        return cls(masters)

    @property
    def current_id(self) -> str:
        """Return the id of the key that encrypts now."""
        return self._keys[0].key_id

    def encrypt(self, text: str, *, purpose: str) -> str:
        """Return the encrypted form of a text for one column."""
        nonce = os.urandom(NONCE_BYTES)
        key = self._keys[0]
        sealed = key.field.encrypt(nonce, text.encode(), purpose.encode())
        return f"{key.key_id}.{base64.b64encode(nonce + sealed).decode()}"

    def decrypt(self, stored: str, *, purpose: str) -> str:
        """Return the text behind an encrypted field.

        Raises:
            Undecipherable: unknown key, changed bytes, or a value moved between columns.
        """
        key_id, dot, encoded = stored.partition(".")
        key = self._by_id.get(key_id)
        if key is None:
            # What has no dot was never encrypted: it may be somebody's words and is not named.
            named = f"key {key_id[:16]!r}" if dot and key_id.isascii() else "such key"
            raise Undecipherable(f"no {named} in the ring for {purpose}")
        try:
            raw = base64.b64decode(encoded, validate=True)
            return key.field.decrypt(
                raw[:NONCE_BYTES], raw[NONCE_BYTES:], purpose.encode()
            ).decode()
        except (InvalidTag, ValueError):
            raise Undecipherable(f"a field of {purpose} was changed or cut") from None

    def sign(self, payload: str, *, purpose: str) -> str:
        """Return a URL-safe signature for links and cookies."""
        return f"{self.current_id}-{_mac(self._keys[0].signing, payload, purpose)}"

    def verify(self, payload: str, signature: str, *, purpose: str) -> bool:
        """Check a signature of any key in the ring, in constant time."""
        key = self._by_id.get(signature.partition("-")[0])
        if key is None:
            return False
        expected = f"{key.key_id}-{_mac(key.signing, payload, purpose)}"
        return hmac.compare_digest(expected, signature)

    def fingerprint(self, text: str, *, purpose: str) -> str:
        """Return a keyed hash, to find a secret value (a browser's cookie) without storing it.

        It uses the oldest key of the ring, so that a rotation does not orphan stored hashes.
        """
        return _mac(self._keys[-1].index, text, purpose)


def _mac(key: bytes, payload: str, purpose: str) -> str:
    digest = hmac.new(key, f"{purpose}\n{payload}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def new_key(key_id: str) -> str:
    """Return a fresh `id:base64` item for XINQING_SECRET_KEYS."""
    return f"{key_id}:{base64.b64encode(os.urandom(32)).decode()}"


_installed: list[KeyRing] = []


def install(ring: KeyRing) -> None:
    """Make a ring the one that encrypted columns use in this process (called by wiring)."""
    _installed[:] = [ring]


def installed() -> KeyRing:
    """Return the process's key ring.

    Raises:
        ConfigInvalid: wiring has not installed one.
    """
    if not _installed:
        raise ConfigInvalid("XINQING_SECRET_KEYS: no key ring is installed")
    return _installed[0]
