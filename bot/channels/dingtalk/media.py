"""What a person sent besides words: fetch it by its download code, within limits.

Nothing is stored here. Only the platform's own hosts are called, over TLS, without following a
redirect; what is larger than `MAX_BYTES` or of another type is refused. For a page that shows a
case's voice or picture to a counselor, which is not built yet: only tests call it.

Source: open.dingtalk.com, `download-the-file-content-of-the-robot-receiving-message`.
"""

from dataclasses import dataclass, field

import httpx2

from bot.channels.dingtalk.client import DingtalkClient
from bot.core.errors import UNKNOWN, ChannelRefused, ChannelUnavailable

DOWNLOAD = "/v1.0/robot/messageFiles/download"
MAX_BYTES = 10 * 1024 * 1024
# Ends of host names: the platform's own, and the store of its files.
HOSTS = (".dingtalk.com", ".aliyuncs.com", ".alicdn.com")
TYPES = frozenset(
    {
        "image/jpeg",
        "image/png",
        "image/gif",
        "image/webp",
        "audio/amr",
        "audio/mpeg",
        "audio/mp4",
        "audio/ogg",
        "audio/wav",
        "application/octet-stream",
    }
)


@dataclass(frozen=True, slots=True)
class Media:
    """What was fetched; its content stays out of logs and tracebacks."""

    kind: str
    content: bytes = field(repr=False)


async def fetch(client: DingtalkClient, code: str, *, limit: int = MAX_BYTES) -> Media:
    """Fetch what a message's `downloadCode` (our `media_id`) stands for.

    Raises:
        ChannelRefused: code `media_host`, `media_type`, `media_size`, or the platform's own.
        ChannelUnavailable, ChannelRateLimited
    """
    payload = {"downloadCode": code, "robotCode": client.robot_code}
    answer = await client.call("POST", DOWNLOAD, payload)
    address = answer.get("downloadUrl")
    if not isinstance(address, str) or not address:
        raise ChannelUnavailable("messageFiles/download: no address", code=UNKNOWN)
    kind, content = await client.read(_checked(client, address), "media", limit=limit)
    if kind not in TYPES:
        raise ChannelRefused("media: type", code="media_type")
    return Media(kind, content)


def _checked(client: DingtalkClient, address: str) -> httpx2.URL:
    """Return the address when it leads to the platform and nowhere else."""
    try:
        url = httpx2.URL(address)
    except httpx2.InvalidURL:
        raise ChannelRefused("media: no address", code="media_host") from None
    ours = httpx2.URL(client.api_base)
    if (url.scheme, url.host, url.port) == (ours.scheme, ours.host, ours.port):
        return url
    foreign = url.scheme != "https" or url.port is not None or bool(url.userinfo)
    if foreign or not f".{url.host}".endswith(HOSTS):
        raise ChannelRefused("media: foreign address", code="media_host")
    return url
