"""Web Push: wake a browser that somebody on duty has signed up, through its maker's push service.

The text is encrypted for that browser (RFC 8291) by `http-ece`, the call is signed with the
service's own key (VAPID, RFC 8292) by `py-vapid`. Only https to the known push services is ever
called, whatever a browser says its address is. Google's service can't be reached from the mainland
of China, so this is an extra and never the only way to call people. Built by wiring.

Source: RFC 8030, 8188, 8291, 8292.
"""

import base64
import hashlib
import os
from collections.abc import Collection, Mapping

import http_ece
import httpx2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02

from bot.channels.http import make_retry_at
from bot.core.clock import Clock
from bot.core.errors import (
    NOT_SENT,
    UNKNOWN,
    ChannelRateLimited,
    ChannelRefused,
    ChannelUnavailable,
    ConfigInvalid,
)

# Exact hosts, and what a host may end with.
HOSTS = frozenset({"fcm.googleapis.com", "updates.push.services.mozilla.com", "web.push.apple.com"})
ENDINGS = (".push.services.mozilla.com", ".notify.windows.com", ".push.apple.com")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# An alert that comes later than this helps nobody: the ladder has climbed meanwhile.
TTL_SECONDS = 900
SIGNED_SECONDS = 3600
GONE = "gone"


class WebPush:
    """The service's side of Web Push.

    Args:
        private_key: 32 bytes in base64url, the VAPID key.
        subject: `mailto:` or `https:` address of the operator, for the push services.
        hosts: further push services, for example an organisation's own.
        loopback: addresses on this machine are taken too (demo and tests).

    Raises:
        ConfigInvalid: the key or the subject is unusable.
    """

    def __init__(
        self,
        private_key: str,
        *,
        subject: str,
        http: httpx2.AsyncClient,
        clock: Clock,
        hosts: Collection[str] = (),
        loopback: bool = False,
    ) -> None:
        try:
            self._vapid = Vapid02.from_raw(private_key.strip().encode())
        except (ValueError, TypeError):
            raise ConfigInvalid(
                "XINQING_PUSH_PRIVATE_KEY: needs 32 bytes in base64url, as `xinqing setup` makes"
            ) from None
        if not subject.startswith(("mailto:", "https://")):
            raise ConfigInvalid("XINQING_PUSH_SUBJECT: begins with mailto: or https://")
        self._subject = subject
        self._http = http
        self._clock = clock
        self._hosts = HOSTS | {host.strip().lower() for host in hosts if host.strip()}
        self._loopback = loopback
        point = self._vapid.public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.public_key = _b64(point)

    def takes(self, address: str) -> bool:
        """Say whether an address leads to a push service that may be called."""
        try:
            url = httpx2.URL(address)
        except httpx2.InvalidURL:
            return False
        host = url.host.lower()
        if url.userinfo or len(address) > 2000:
            return False
        if self._loopback and host in LOOPBACK and url.scheme in ("http", "https"):
            return True
        known = host in self._hosts or host.endswith(ENDINGS)
        return url.scheme == "https" and url.port in (None, 443) and known

    async def push(self, address: str, keys: Mapping[str, str], text: str, *, topic: str) -> None:
        """Send a text to one browser.

        Args:
            keys: `p256dh` and `auth` of the browser, base64url.
            topic: a text that waits is replaced by the next one with the same topic.

        Raises:
            ChannelRefused: not an address to call; code `gone` when the browser signed off.
            ChannelRateLimited, ChannelUnavailable
        """
        if not self.takes(address):
            raise ChannelRefused("push: this address is not called", code="address")
        headers = self._headers(address, topic)
        try:
            body = _encrypted(text, keys)
        except (ValueError, KeyError, http_ece.ECEException):
            raise ChannelRefused("push: the browser's keys are unusable", code="keys") from None
        try:
            response = await self._http.post(address, content=body, headers=headers)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout):
            raise ChannelUnavailable("push: no connection", code=NOT_SENT) from None
        except (httpx2.HTTPError, httpx2.InvalidURL):
            raise ChannelUnavailable("push: no answer", code=UNKNOWN) from None
        self._check(response)

    def _headers(self, address: str, topic: str) -> dict[str, str]:
        url = httpx2.URL(address)
        signed = self._vapid.sign(
            {
                "aud": f"{url.scheme}://{url.netloc.decode()}",
                "sub": self._subject,
                "exp": int(self._clock.now().timestamp()) + SIGNED_SECONDS,
            }
        )
        return {
            "Authorization": signed["Authorization"],
            "Content-Encoding": "aes128gcm",
            "Content-Type": "application/octet-stream",
            "TTL": str(TTL_SECONDS),
            "Urgency": "high",
            "Topic": _b64(hashlib.sha256(topic.encode()).digest())[:32],
        }

    def _check(self, response: httpx2.Response) -> None:
        status = response.status_code
        if 200 <= status < 300:
            return
        if status in (404, 410):
            raise ChannelRefused("push: the browser has signed off", code=GONE)
        if status == 429:
            retry_at = make_retry_at(response, self._clock)
            raise ChannelRateLimited("push: too many calls", retry_at=retry_at, code="http429")
        if status >= 500:
            raise ChannelUnavailable(f"push: http{status}", code=f"http{status}")
        raise ChannelRefused(f"push: http{status}", code=f"http{status}")

    async def close(self) -> None:
        """Close connections."""
        await self._http.aclose()


def new_private_key() -> str:
    """Return a fresh VAPID key for the settings."""
    number = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
    return _b64(number.to_bytes(32, "big"))


def _encrypted(text: str, keys: Mapping[str, str]) -> bytes:
    made: bytes = http_ece.encrypt(
        text.encode(),
        salt=os.urandom(16),
        private_key=ec.generate_private_key(ec.SECP256R1()),
        dh=_raw(keys["p256dh"]),
        auth_secret=_raw(keys["auth"]),
        version="aes128gcm",
    )
    return made


def _raw(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
