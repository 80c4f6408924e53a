"""Work notifications: one text to many people of the organisation, with who read it.

The platform drops some silently with errcode 0 (the same text twice a day to one person, more than
500 a day): only the polled result is proof. It can be asked for 24 hours and for at most 100
recipients a task, hence the chunks. Called by `WorkAlerts`; the notices of teachers, which are to
leave this way too, are not built yet.

Source: open.dingtalk.com, `asynchronous-sending-of-enterprise-session-messages`,
`gets-the-result-of-sending-messages-asynchronously-to-the-enterprise`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.channels.dingtalk.client import DingtalkClient
from bot.core.errors import UNKNOWN, ChannelError, ChannelRateLimited, ChannelUnavailable

CHUNK = 100
SEND = "/topapi/message/corpconversation/asyncsend_v2"
RESULT = "/topapi/message/corpconversation/getsendresult"
DUPLICATE = "duplicate"
FORBIDDEN = {
    "143103": "minute",
    "143104": "minute",
    "143105": "day",
    "143106": DUPLICATE,
}


@dataclass(frozen=True, slots=True)
class WorkTask:
    """One call.

    Args:
        people: staff ids.
        task_id: to be stored before anything else; empty when the call was not taken.
        error: why not. Code `unknown` means that it may have been.
    """

    people: tuple[str, ...]
    task_id: str = ""
    error: ChannelError | None = None


@dataclass(frozen=True, slots=True)
class WorkResult:
    """What became of one task, by staff id.

    Args:
        missed: id → `invalid`, `forbidden`, `failed`, `minute`, `day` or `duplicate`.
    """

    read: frozenset[str]
    unread: frozenset[str]
    missed: Mapping[str, str]

    def is_settled(self, people: Sequence[str]) -> bool:
        """Say whether the platform knows what became of everybody."""
        return all(
            person in self.read or person in self.unread or person in self.missed
            for person in people
        )


class WorkNotices:
    """Send work notifications as one app.

    Args:
        agent_id: the app's number in the console.
    """

    def __init__(self, client: DingtalkClient, agent_id: int) -> None:
        self._client = client
        self._agent_id = agent_id

    async def send(self, staff_ids: Sequence[str], title: str, text: str) -> list[WorkTask]:
        """Send in chunks of 100; an error stays with its chunk, a rate limit stops the rest.

        Args:
            text: Markdown. It must hold something of this notice's own (its number, its date):
                the same text reaches a person once a day.
        """
        message = {"msgtype": "markdown", "markdown": {"title": title, "text": text}}
        done: list[WorkTask] = []
        stop: ChannelRateLimited | None = None
        for start in range(0, len(staff_ids), CHUNK):
            people = tuple(staff_ids[start : start + CHUNK])
            if stop is not None:
                done.append(WorkTask(people, error=stop))
                continue
            try:
                done.append(WorkTask(people, await self._send(people, message)))
            except ChannelError as error:
                done.append(WorkTask(people, error=error))
                stop = error if isinstance(error, ChannelRateLimited) else None
        return done

    async def result(self, task_id: str) -> WorkResult:
        """Ask once what became of a task; the caller's job asks again until it is settled.

        Raises:
            ChannelUnavailable, ChannelRateLimited, ChannelRefused
        """
        payload = {"agent_id": self._agent_id, "task_id": int(task_id)}
        answer = await self._client.topapi(RESULT, payload)
        found = answer.get("send_result")
        if not isinstance(found, Mapping):
            raise ChannelUnavailable("getsendresult: the answer has no result", code=UNKNOWN)
        missed = {
            person: reason
            for field, reason in (
                ("invalid_user_id_list", "invalid"),
                ("forbidden_user_id_list", "forbidden"),
                ("failed_user_id_list", "failed"),
            )
            for person in _ids(found, field)
        }
        forbidden = found.get("forbidden_list")
        for item in forbidden if isinstance(forbidden, list) else []:
            if isinstance(item, Mapping) and item.get("userid"):
                reason = FORBIDDEN.get(str(item.get("code")), "forbidden")
                missed[str(item["userid"])] = reason
        return WorkResult(
            frozenset(_ids(found, "read_user_id_list")),
            frozenset(_ids(found, "unread_user_id_list")),
            missed,
        )

    async def _send(self, people: Sequence[str], message: Mapping[str, Any]) -> str:
        payload = {
            "agent_id": self._agent_id,
            "userid_list": ",".join(people),
            "to_all_user": False,
            "msg": message,
        }
        task_id = (await self._client.topapi(SEND, payload)).get("task_id")
        if not isinstance(task_id, int) or isinstance(task_id, bool):
            raise ChannelUnavailable("asyncsend_v2: the answer has no task_id", code=UNKNOWN)
        return str(task_id)


def _ids(found: Mapping[str, Any], name: str) -> list[str]:
    values = found.get(name)
    return [str(value) for value in values] if isinstance(values, list) else []
