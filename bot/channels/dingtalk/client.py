"""What one robot can send: to a person, to many, to a group, to where a message came from, a DING.

Used by `DingtalkChannel`, `StreamClient`, `DingAlerts`, `WorkNotices`, `cards` and `media`.
`group_readers` is for notices to groups, which are not built yet.

Source: open.dingtalk.com, `chatbots-send-one-on-one-chat-messages-in-batches`,
`the-robot-sends-a-group-message`, `robot-sends-nail-message`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from bot.channels.dingtalk import errors
from bot.channels.dingtalk.api import DingtalkApi
from bot.channels.http import error_code
from bot.channels.words import fit
from bot.core.clock import epoch_ms
from bot.core.errors import (
    UNKNOWN,
    ChannelError,
    ChannelRateLimited,
    ChannelRefused,
    ChannelUnavailable,
)
from bot.core.ports import ReadState, SendResult

CHUNK = 20
DING_MOST = 200
FLOW_WAIT = timedelta(minutes=1)
READ_KNOWN = timedelta(hours=24)
SESSION_PATH = "/robot/sendBySession"


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one chunk of a batch.

    Args:
        people: whom the chunk was for.
        receipt: the platform's key to ask for readers; empty when the chunk was not taken.
        invalid: ids the platform does not know.
        slowed: ids that are written to too often just now; try these again.
        filtered: ids that do not take the robot's messages.
        error: why the whole chunk was not taken; what follows a rate limit was not tried.
    """

    people: tuple[str, ...]
    receipt: str = ""
    invalid: tuple[str, ...] = ()
    slowed: tuple[str, ...] = ()
    filtered: tuple[str, ...] = ()
    error: ChannelError | None = None

    @property
    def reached(self) -> tuple[str, ...]:
        """Return those the platform took the message for."""
        if self.error is not None:
            return ()
        missed = {*self.invalid, *self.slowed, *self.filtered}
        return tuple(person for person in self.people if person not in missed)


class DingtalkClient(DingtalkApi):
    """One robot's way out."""

    async def send_person(self, staff_id: str, text: str) -> SendResult:
        """Send words to one person of the organisation.

        Raises:
            ChannelUnavailable, ChannelRateLimited, ChannelRefused
        """
        sent = await self._batch((staff_id,), "sampleText", {"content": fit(text)})
        if sent.slowed:
            retry_at = self.clock.now() + FLOW_WAIT
            raise ChannelRateLimited("batchSend: slowed", retry_at=retry_at, code="slowed")
        if sent.invalid or sent.filtered:
            code = "invalid" if sent.invalid else "filtered"
            raise ChannelRefused(f"batchSend: {code}", code=code)
        return SendResult(sent.receipt)

    async def send_people(
        self, staff_ids: Sequence[str], key: str, parameters: Mapping[str, str]
    ) -> list[Sent]:
        """Send one message to many, 20 a call; an error stays with its chunk.

        Args:
            key: the platform's template, such as `sampleMarkdown`.
            parameters: its values, all strings.
        """
        done: list[Sent] = []
        stop: ChannelRateLimited | None = None
        for start in range(0, len(staff_ids), CHUNK):
            people = tuple(staff_ids[start : start + CHUNK])
            if stop is not None:
                done.append(Sent(people, error=stop))
                continue
            try:
                done.append(await self._batch(people, key, parameters))
            except ChannelError as error:
                done.append(Sent(people, error=error))
                stop = error if isinstance(error, ChannelRateLimited) else None
        return done

    async def _batch(
        self, people: tuple[str, ...], key: str, parameters: Mapping[str, str]
    ) -> Sent:
        answer = await self.call(
            "POST",
            "/v1.0/robot/oToMessages/batchSend",
            {
                "robotCode": self.robot_code,
                "userIds": list(people),
                "msgKey": key,
                "msgParam": json.dumps(parameters, ensure_ascii=False),
            },
        )
        return Sent(
            people,
            _receipt(answer, "batchSend"),
            invalid=_ids(answer, "invalidStaffIdList"),
            slowed=_ids(answer, "flowControlledStaffIdList"),
            filtered=_ids(answer, "filteredStaffIdList"),
        )

    async def read_state(self, staff_id: str, receipt: str) -> ReadState | None:
        """Ask whether one person has read a 1:1 message; possible for 24 hours after it was sent.

        Each question is a billed call. The page names `readStatus` only; the vendor's own library
        has `readTimestamp` beside it, in no documented unit: a moment that can't be is left out.

        Returns:
            None while it is being sent, after it was recalled, and when the person is not named.

        Source: open.dingtalk.com, `chatbot-batch-query-the-read-status-of-messages`;
        alibabacloud-dingtalk, robot_1_0, `BatchOTOQuery`.
        """
        path = "/v1.0/robot/oToMessages/readStatus"
        query = {"robotCode": self.robot_code, "processQueryKey": receipt}
        answer = await self.call("GET", path, None, query)
        rows = answer.get("messageReadInfoList")
        if answer.get("sendStatus") != "SUCCESS" or not isinstance(rows, list):
            return None
        for row in rows:
            if isinstance(row, Mapping) and row.get("userId") == staff_id:
                said = row.get("readStatus")
                if said in ("READ", "UNREAD"):
                    return ReadState(said == "READ", self._moment(row.get("readTimestamp")))
        return None

    def _moment(self, stamp: object) -> datetime | None:
        """Return a moment of the last day, given in seconds or milliseconds."""
        if not isinstance(stamp, int):
            return None
        now = epoch_ms(self.clock.now())
        for milliseconds in (stamp, stamp * 1000):
            if 0 <= now - milliseconds <= READ_KNOWN / timedelta(milliseconds=1):
                return datetime.fromtimestamp(milliseconds / 1000, UTC)
        return None

    async def send_group(
        self, conversation: str, key: str, parameters: Mapping[str, str]
    ) -> SendResult:
        """Send to a group the robot is in; nobody can be mentioned this way."""
        answer = await self.call(
            "POST",
            "/v1.0/robot/groupMessages/send",
            {
                "robotCode": self.robot_code,
                "openConversationId": conversation,
                "msgKey": key,
                "msgParam": json.dumps(parameters, ensure_ascii=False),
            },
        )
        return SendResult(_receipt(answer, "groupMessages/send"))

    async def group_readers(self, conversation: str, receipt: str) -> list[str]:
        """Return the staff ids of those who have read a group message."""
        readers: list[str] = []
        token = ""
        for _ in range(100):
            answer = await self.call(
                "POST",
                "/v1.0/robot/groupMessages/query",
                {
                    "robotCode": self.robot_code,
                    "openConversationId": conversation,
                    "processQueryKey": receipt,
                    "maxResults": 200,
                    "nextToken": token,
                },
            )
            readers += _ids(answer, "readUserIds")
            token = str(answer.get("nextToken") or "")
            if answer.get("hasMore") is not True or not token:
                break
        return readers

    async def answer_session(
        self, webhook: str, text: str, *, expires_ms: int, mention: str = ""
    ) -> SendResult:
        """Answer where a message came from, with the address that came with it.

        The address comes from outside: only the platform's own host and path are called.

        Raises:
            ChannelRefused: code `webhook_expired` or `webhook_host`.
        """
        if expires_ms <= epoch_ms(self.clock.now()):
            raise ChannelRefused("sendBySession: expired", code="webhook_expired")
        address = self._session_address(webhook)
        payload: dict[str, Any] = {"msgtype": "text", "text": {"content": fit(text)}}
        if mention:
            payload["at"] = {"atUserIds": [mention], "isAtAll": False}
        _, answer = await self.request("POST", address, payload, "sendBySession")
        code = error_code(answer, what="sendBySession")
        if code:
            raise errors.sort_number(code, "sendBySession", self.clock)
        return SendResult()

    def _session_address(self, webhook: str) -> httpx2.URL:
        try:
            address, base = httpx2.URL(webhook), httpx2.URL(self.oapi_base)
        except (httpx2.InvalidURL, TypeError, ValueError):
            raise ChannelRefused("sendBySession: no address", code="webhook_host") from None
        ours = (base.scheme, base.host, base.port, base.path.rstrip("/") + SESSION_PATH)
        if (address.scheme, address.host, address.port, address.path) != ours or address.userinfo:
            raise ChannelRefused("sendBySession: foreign address", code="webhook_host")
        return address

    async def ding(self, staff_ids: Sequence[str], text: str, *, remind: int = 1) -> SendResult:
        """Send a DING inside the app (1), by SMS (2) or by phone (3, paid); to `DING_MOST` people.

        Raises:
            ChannelRefused: code `ding_failed` when it reached nobody.
        """
        people = list(staff_ids)
        answer = await self.call(
            "POST",
            "/v1.0/robot/ding/send",
            {
                "robotCode": self.robot_code,
                "remindType": remind,
                "receiverUserIdList": people,
                "content": text,
            },
        )
        failed = answer.get("failedList")
        if isinstance(failed, Mapping | list) and len(failed) >= len(people):
            raise ChannelRefused("ding/send: reached nobody", code="ding_failed")
        return SendResult(str(answer.get("openDingId") or ""))


def _receipt(answer: Mapping[str, Any], what: str) -> str:
    receipt = answer.get("processQueryKey")
    if not isinstance(receipt, str) or not receipt:
        # A success without its key (or a page of the wrong kind) proves nothing.
        raise ChannelUnavailable(f"{what}: the answer has no receipt", code=UNKNOWN)
    return receipt


def _ids(answer: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = answer.get(name)
    return tuple(str(one) for one in found) if isinstance(found, list) else ()
