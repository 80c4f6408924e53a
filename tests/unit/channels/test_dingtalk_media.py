"""Voice and pictures: fetched by their code, from the platform only, within limits."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from dingtalk_world import APP_SECRET, World

from bot.channels.dingtalk import media
from bot.channels.dingtalk.client import DingtalkClient
from bot.core.errors import ChannelRefused, ChannelUnavailable

DOWNLOAD = "/v1.0/robot/messageFiles/download"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.close()


async def test_a_picture_is_fetched_by_its_code_and_costs_one_call(world: World) -> None:
    world.dingtalk.media["code-1"] = ("image/png; charset=x", b"PNG")
    found = await media.fetch(world.client, "code-1")
    assert (found.kind, found.content) == ("image/png", b"PNG")
    assert world.spent == ["messageFiles/download"]
    assert "PNG" not in repr(found)


async def test_an_unknown_code_is_refused(world: World) -> None:
    with pytest.raises(ChannelRefused):
        await media.fetch(world.client, "code-2")


async def test_what_is_too_large_or_of_another_type_is_refused(world: World) -> None:
    world.dingtalk.media["large"] = ("image/png", b"x" * 11)
    world.dingtalk.media["page"] = ("text/html", b"<html>")
    with pytest.raises(ChannelRefused) as caught:
        await media.fetch(world.client, "large", limit=10)
    assert caught.value.code == "media_size"
    assert len((await media.fetch(world.client, "large", limit=11)).content) == 11
    with pytest.raises(ChannelRefused) as caught:
        await media.fetch(world.client, "page")
    assert caught.value.code == "media_type"


class Platform(httpx2.AsyncBaseTransport):
    """Names an address for the file, and notes who is called."""

    def __init__(self, address: object, answer: httpx2.Response) -> None:
        self.address = address
        self.answer = answer
        self.called: list[httpx2.Request] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/accessToken"):
            return httpx2.Response(200, json={"accessToken": "token-1", "expireIn": 7200})
        if request.url.path == DOWNLOAD:
            return httpx2.Response(200, json={"downloadUrl": self.address})
        self.called.append(request)
        return self.answer


def speak_to(world: World, platform: Platform) -> DingtalkClient:
    client = world.make_client("https://api.dingtalk.com", secret=APP_SECRET)
    client._http = httpx2.AsyncClient(transport=platform, follow_redirects=False)
    return client


@pytest.mark.parametrize(
    "address",
    [
        "http://down.dingtalk.com/x",
        "https://dingtalk.com.evil.example/x",
        "https://evildingtalk.com/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://down.dingtalk.com:8443/x",
        "https://user@down.dingtalk.com/x",
        "https://down.dingtalk.com@evil.example/x",
        "file:///etc/passwd",
        "https://",
        "not an address",
    ],
)
async def test_a_foreign_address_is_never_called(world: World, address: str) -> None:
    platform = Platform(address, httpx2.Response(200, content=b"x"))
    client = speak_to(world, platform)
    with pytest.raises(ChannelRefused) as caught:
        await media.fetch(client, "code-1")
    assert caught.value.code == "media_host"
    assert address not in str(caught.value)
    assert platform.called == []
    await client.close()


@pytest.mark.parametrize(
    "address",
    ["https://down.dingtalk.com/x?k=1", "https://bucket.oss-cn-hangzhou.aliyuncs.com/x"],
)
async def test_the_platform_s_stores_are_called_without_our_token(
    world: World, address: str
) -> None:
    headers = {"content-type": "audio/amr"}
    platform = Platform(address, httpx2.Response(200, content=b"amr", headers=headers))
    client = speak_to(world, platform)
    assert (await media.fetch(client, "code-1")).content == b"amr"
    (request,) = platform.called
    assert "token-1" not in repr(request.headers)
    await client.close()


@pytest.mark.parametrize(
    ("status", "expected"),
    [(302, ChannelRefused), (404, ChannelRefused), (503, ChannelUnavailable)],
)
async def test_a_redirect_is_not_followed_and_a_failure_is_sorted(
    world: World, status: int, expected: type[Exception]
) -> None:
    headers = {"location": "http://127.0.0.1/secret"}
    answer = httpx2.Response(status, headers=headers)
    platform = Platform("https://down.dingtalk.com/x", answer)
    client = speak_to(world, platform)
    with pytest.raises(expected):
        await media.fetch(client, "code-1")
    assert len(platform.called) == 1
    await client.close()


@pytest.mark.parametrize("address", [None, "", 7, ["https://down.dingtalk.com/x"]])
async def test_an_answer_without_an_address_says_nothing(world: World, address: object) -> None:
    platform = Platform(address, httpx2.Response(200))
    client = speak_to(world, platform)
    with pytest.raises(ChannelUnavailable):
        await media.fetch(client, "code-1")
    await client.close()
