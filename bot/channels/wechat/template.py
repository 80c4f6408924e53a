"""Notices as WeChat's template message: for followers whose customer-service window is closed.

The form with its fields is chosen in the platform's console; settings say which field takes what.
Built by wiring for accounts that have one, called by the job that sends notices.

Source: developers.weixin.qq.com, `Template_Message_Interface` (`message/template/send`,
`client_msg_id`), and its limits of the kinds of fields (`thing` 20 characters).
"""

import hashlib
import re
from collections.abc import Mapping

from bot.channels.wechat.client import WechatClient
from bot.core.ports import SendResult

PATH = "/cgi-bin/message/template/send"
LONGEST = {"thing": 20, "time": 32, "phrase": 5, "const": 20, "short_thing": 5}
LONGEST_OTHER = 32
WORDS = ("title", "sender", "time")


def parse_fields(setting: str) -> dict[str, str]:
    """Read which field of the form takes what: `title=thing1,sender=thing2,time=time3`.

    Raises:
        ValueError: not of this form; the message names what is wrong.
    """
    fields: dict[str, str] = {}
    for item in setting.split(","):
        word, equals, field = (part.strip() for part in item.partition("="))
        if word not in WORDS or not equals or not re.fullmatch(r"[a-z_]+\d*", field):
            raise ValueError(f"write {', '.join(f'{one}=FIELD' for one in WORDS)}")
        fields[word] = field
    return fields


class WechatNoticeTemplate:
    """One account's form.

    Args:
        fields: the form's field by what it takes (`WORDS`).
    """

    def __init__(
        self, client: WechatClient, *, template_id: str, fields: Mapping[str, str]
    ) -> None:
        self._client = client
        self._template_id = template_id
        self._fields = dict(fields)

    async def send(
        self, person: str, words: Mapping[str, str], *, url: str, key: str
    ) -> SendResult:
        """Send one notice; the platform drops the same key within ten minutes.

        Raises:
            ChannelUnavailable, ChannelRateLimited, ChannelRefused
        """
        payload = {
            "touser": person,
            "template_id": self._template_id,
            "client_msg_id": hashlib.sha256(key.encode()).hexdigest()[:32],
            "data": {
                field: {"value": _fit(field, words[word])} for word, field in self._fields.items()
            },
        }
        answer = await self._client.call(PATH, payload | ({"url": url} if url else {}))
        return SendResult(str(answer.get("msgid") or ""))


def _fit(field: str, text: str) -> str:
    """Cut a text to what a kind of field takes: the platform refuses a longer one (47003)."""
    most = LONGEST.get(field.rstrip("0123456789"), LONGEST_OTHER)
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
