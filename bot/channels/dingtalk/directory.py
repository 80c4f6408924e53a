"""DingTalk's directory of families (家校通讯录 2.0): classes and who is in them, page by page.

Built by `bot.wiring` for each robot, called by the jobs of imports. The organisation's directory is
read only. Source: open.dingtalk.com, `obtains-a-list-of-home-school-user-identities` and its
neighbours; permission `qyapi_addresslist_edu_read`.
"""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from bot.channels.dingtalk.api import DingtalkApi
from bot.core.errors import UNKNOWN, ChannelUnavailable
from bot.services.importing.directory import ListedChild, ListedClass

PAGE_SIZE = 30
MOST_PAGES, MOST_DEPARTMENTS = 400, 5_000
DEPARTMENTS, PEOPLE = "/topapi/edu/dept/list", "/topapi/edu/user/list"
RELATIONS = "/topapi/edu/user/relation/list"
CLASS, GRADE = "class", "grade"


class DingtalkDirectory:
    """Reads the families of one robot's organisation."""

    def __init__(self, api: DingtalkApi) -> None:
        self._api = api

    async def classes(self) -> AsyncIterator[ListedClass]:
        """Yield every class with its children.

        Raises:
            ChannelUnavailable, ChannelRateLimited, ChannelRefused
        """
        waiting: list[tuple[str | None, str]] = [(None, "")]
        seen: set[str] = set()
        while waiting:
            above, grade = waiting.pop()
            async for department in self._departments(above):
                number, name = str(department.get("dept_id", "")), _text(department, "name")
                if not number or number in seen or len(seen) >= MOST_DEPARTMENTS:
                    continue
                seen.add(number)
                kind = department.get("dept_type")
                if kind == CLASS:
                    yield ListedClass(
                        name if name.startswith(grade) else grade + name,
                        tuple([child async for child in self._children(number)]),
                        tuple([one async for one in self._teachers(number)]),
                    )
                else:
                    waiting.append((number, name if kind == GRADE else ""))

    async def _departments(self, above: str | None) -> AsyncIterator[Mapping[str, Any]]:
        asked = {"super_id": int(above)} if above and above.isdecimal() else {}
        async for row in self._pages(DEPARTMENTS, asked, "details"):
            yield row

    async def _teachers(self, class_id: str) -> AsyncIterator[tuple[str, str]]:
        asked = {"class_id": int(class_id) if class_id.isdecimal() else class_id}
        async for row in self._pages(PEOPLE, asked | {"role": "teacher"}, "details"):
            yield _text(row, "userid"), _text(row, "name")

    async def _children(self, class_id: str) -> AsyncIterator[ListedChild]:
        asked = {"class_id": int(class_id) if class_id.isdecimal() else class_id}
        names = {
            _text(row, "userid"): _text(row, "name")
            async for row in self._pages(PEOPLE, asked | {"role": "guardian"}, "details")
        }
        ties: dict[str, list[tuple[str, str, str]]] = {}
        async for row in self._pages(RELATIONS, asked, "relations"):
            guardian, child = _text(row, "from_userid"), _text(row, "to_userid")
            if guardian in names:
                tie = (guardian, names[guardian], _text(row, "relation_code"))
                ties.setdefault(child, []).append(tie)
        async for row in self._pages(PEOPLE, asked | {"role": "student"}, "details"):
            user_id = _text(row, "userid")
            number = _feature(row).get("student_no", "")
            yield ListedChild(user_id, _text(row, "name"), number, tuple(ties.get(user_id, ())))

    async def _pages(
        self, path: str, asked: Mapping[str, object], field: str
    ) -> AsyncIterator[Mapping[str, Any]]:
        for page in range(1, MOST_PAGES + 1):
            payload = {**asked, "page_no": page, "page_size": PAGE_SIZE}
            answer = await self._api.topapi(path, payload)
            result = answer.get("result")
            rows = result.get(field) if isinstance(result, dict) else answer.get(field)
            if not isinstance(rows, list):
                raise ChannelUnavailable(f"{path.rsplit('/', 2)[-2]}: no list", code=UNKNOWN)
            for row in rows:
                if isinstance(row, dict):
                    yield row
            if len(rows) < PAGE_SIZE:
                return


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return value.strip() if isinstance(value, str) else ""


def _feature(row: Mapping[str, Any]) -> Mapping[str, str]:
    """Return what stands in `feature`, a JSON object in a string; keys in both spellings."""
    try:
        found = json.loads(row.get("feature") or "{}")
    except (ValueError, TypeError):
        return {}
    if not isinstance(found, dict):
        return {}
    number = found.get("student_no") or found.get("studentNo") or row.get("student_no") or ""
    return {"student_no": str(number)}
