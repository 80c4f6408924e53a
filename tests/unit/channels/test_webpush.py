"""Web Push against a push service of the test's own: signed, readable by that browser alone."""

import base64
import json
import os
from datetime import UTC, datetime

import http_ece
import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from py_vapid import Vapid02

from bot.channels.http import make_http
from bot.channels.webpush import WebPush, new_private_key
from bot.core.clock import FixedClock
from bot.core.errors import (
    ChannelRateLimited,
    ChannelRefused,
    ChannelUnavailable,
    ConfigInvalid,
)

NOW = datetime(2026, 11, 22, 15, 40, tzinfo=UTC)
ADDRESS = "https://updates.push.services.mozilla.com/wpush/v2/secret-address"
WORDS = "有一个个案需要接手（编号12）"


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Browser:
    """Holds the keys that a real browser makes when it signs up."""

    def __init__(self) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        self.secret = os.urandom(16)
        point = self.private.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint
        )
        self.keys = {"p256dh": b64(point), "auth": b64(self.secret)}

    def read(self, body: bytes) -> str:
        plain: bytes = http_ece.decrypt(body, private_key=self.private, auth_secret=self.secret)
        return plain.decode()


class Service:
    """A push service that answers with one status."""

    def __init__(self, status: int = 201) -> None:
        self.status = status
        self.calls: list[httpx2.Request] = []

    async def answer(self, request: httpx2.Request) -> httpx2.Response:
        self.calls.append(request)
        return httpx2.Response(self.status, headers={"Retry-After": "30"})


def make(service: Service, *, loopback: bool = False, key: str = "") -> WebPush:
    return WebPush(
        key or new_private_key(),
        subject="mailto:operator@example.org",
        http=make_http(httpx2.MockTransport(service.answer)),
        clock=FixedClock(NOW),
        hosts=("push.example.cn",),
        loopback=loopback,
    )


async def test_the_browser_reads_it_and_the_service_knows_who_sent_it() -> None:
    service, browser = Service(), Browser()
    pusher = make(service)
    await pusher.push(ADDRESS, browser.keys, WORDS, topic="case:12")
    (call,) = service.calls
    body = call.read()
    assert browser.read(body) == WORDS
    assert WORDS.encode() not in body
    assert call.headers["content-encoding"] == "aes128gcm"
    assert call.headers["urgency"] == "high"
    assert int(call.headers["ttl"]) > 0
    assert len(call.headers["topic"]) == 32
    scheme, _, rest = call.headers["authorization"].partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    assert scheme == "vapid"
    assert parts["k"] == pusher.public_key
    claims = json.loads(base64.urlsafe_b64decode(parts["t"].split(".")[1] + "=="))
    assert claims["aud"] == "https://updates.push.services.mozilla.com"
    assert NOW.timestamp() < claims["exp"] <= NOW.timestamp() + 86_400
    assert Vapid02.verify(call.headers["authorization"])
    await pusher.close()


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (404, ChannelRefused, "gone"),
        (410, ChannelRefused, "gone"),
        (400, ChannelRefused, "http400"),
        (403, ChannelRefused, "http403"),
        (302, ChannelRefused, "http302"),
        (429, ChannelRateLimited, "http429"),
        (503, ChannelUnavailable, "http503"),
    ],
)
async def test_what_a_service_answers(status: int, error: type[Exception], code: str) -> None:
    with pytest.raises(error) as caught:
        await make(Service(status)).push(ADDRESS, Browser().keys, WORDS, topic="t")
    assert getattr(caught.value, "code", "") == code
    assert "secret-address" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "http://updates.push.services.mozilla.com/x",
        "https://updates.push.services.mozilla.com:8443/x",
        "https://updates.push.services.mozilla.com.evil.example/x",
        "https://evil.example/https://fcm.googleapis.com/x",
        "https://fcm.googleapis.com@evil.example/x",
        "https://user@fcm.googleapis.com/x",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/x",
        "http://127.0.0.1:8600/admin",
        "https://[::1]/x",
        "file:///etc/passwd",
        "gopher://fcm.googleapis.com/x",
        "fcm.googleapis.com",
        "",
        "https://fcm.googleapis.com/" + "x" * 3000,
    ],
)
async def test_no_other_address_is_ever_called(address: str) -> None:
    service = Service()
    pusher = make(service)
    assert not pusher.takes(address)
    with pytest.raises(ChannelRefused):
        await pusher.push(address, Browser().keys, WORDS, topic="t")
    assert service.calls == []


def test_known_services_and_the_operators_own_are_taken() -> None:
    pusher = make(Service())
    for host in ("fcm.googleapis.com", "wns2-par02p.notify.windows.com", "push.example.cn"):
        assert pusher.takes(f"https://{host}/x")
    assert not pusher.takes("http://127.0.0.1:9000/x")
    assert make(Service(), loopback=True).takes("http://127.0.0.1:9000/x")


@pytest.mark.parametrize("keys", [{}, {"p256dh": "xx", "auth": "xx"}, {"p256dh": "", "auth": ""}])
async def test_unusable_keys_are_refused_without_a_call(keys: dict[str, str]) -> None:
    service = Service()
    with pytest.raises(ChannelRefused):
        await make(service).push(ADDRESS, keys, WORDS, topic="t")
    assert service.calls == []


@pytest.mark.parametrize("key", ["short", "", "!!!!"])
def test_an_unusable_key_stops_the_start(key: str) -> None:
    with pytest.raises(ConfigInvalid, match="PUSH_PRIVATE_KEY"):
        make(Service(), key=key or " ")
