"""The fake DingTalk's directory of families: classes, children, guardians, in pages of 30.

Its answers have the shape of `/topapi/edu/…`; mounted by `bot.simulator.dingtalk_server`.
"""

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

MOST_PER_PAGE = 30
INVALID = 40035
Handler = Callable[[Any, Request, dict[str, Any]], Response]


@dataclass(frozen=True)
class Person:
    """Somebody of a class; `role` is student, guardian or teacher."""

    user_id: str
    name: str
    role: str
    class_id: int
    student_no: str = ""


@dataclass
class Families:
    """The directory of one organisation."""

    departments: list[dict[str, Any]] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    relations: list[dict[str, Any]] = field(default_factory=list)

    def add_department(self, number: int, name: str, kind: str, above: int | None = None) -> int:
        """Add a campus, period, grade or class."""
        row = {"dept_id": number, "name": name, "dept_type": kind, "contact_type": "home_school"}
        self.departments.append(row | {"super_id": above})
        return number

    def add_child(
        self,
        class_id: int,
        user_id: str,
        name: str,
        guardians: list[tuple[str, str, str]],
        student_no: str = "",
    ) -> None:
        """Add a child and its guardians as (id, name, relation's code)."""
        self.people.append(Person(user_id, name, "student", class_id, student_no))
        known = {one.user_id for one in self.people if one.class_id == class_id}
        for guardian, their_name, code in guardians:
            if guardian not in known:
                self.people.append(Person(guardian, their_name, "guardian", class_id))
            self.relations.append(
                {
                    "class_id": class_id,
                    "from_userid": guardian,
                    "to_userid": user_id,
                    "relation_code": code,
                    "relation_name": code,
                }
            )

    def department_list(self, payload: dict[str, Any]) -> dict[str, Any] | None:
        """Answer `/topapi/edu/dept/list`."""
        above = payload.get("super_id")
        rows = [row for row in self.departments if row["super_id"] == above]
        return self._page(payload, "details", rows)

    def user_list(self, payload: dict[str, Any]) -> dict[str, Any] | None:
        """Answer `/topapi/edu/user/list`."""
        rows = [
            {
                "userid": one.user_id,
                "unionid": f"union-{one.user_id}",
                "name": one.name,
                "role": one.role,
                "class_id": one.class_id,
                "feature": json.dumps({"student_no": one.student_no} if one.student_no else {}),
            }
            for one in self.people
            if one.class_id == payload.get("class_id") and one.role == payload.get("role")
        ]
        return self._page(payload, "details", rows)

    def relation_list(self, payload: dict[str, Any]) -> dict[str, Any] | None:
        """Answer `/topapi/edu/user/relation/list`."""
        rows = [row for row in self.relations if row["class_id"] == payload.get("class_id")]
        return self._page(payload, "relations", rows)

    def _page(
        self, payload: dict[str, Any], name: str, rows: list[dict[str, Any]]
    ) -> dict[str, Any] | None:
        """Return a page of rows; None for a question that the platform refuses."""
        page, size = payload.get("page_no"), payload.get("page_size")
        if not isinstance(page, int) or not isinstance(size, int) or page < 1:
            return None
        if not 1 <= size <= MOST_PER_PAGE:
            return None
        start = (page - 1) * size
        return {name: rows[start : start + size], "has_more": start + size < len(rows)}


def family_posts(families: Families, checked: Callable[[Handler], Handler]) -> dict[str, Handler]:
    """Return the directory's routes; `checked` looks at token and quota first."""

    def endpoint(answer: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Handler:
        def handle(_state: Any, _request: Request, payload: dict[str, Any]) -> Response:
            found = answer(payload)
            if found is None:
                return JSONResponse({"errcode": INVALID, "errmsg": "refused"})
            return JSONResponse({"errcode": 0, "errmsg": "ok", "result": found})

        return checked(handle)

    return {
        "/topapi/edu/dept/list": endpoint(families.department_list),
        "/topapi/edu/user/list": endpoint(families.user_list),
        "/topapi/edu/user/relation/list": endpoint(families.relation_list),
    }


def fill(families: Families) -> None:
    """Put the demonstration's invented families in, from `families.toml`."""
    source = files("bot.simulator").joinpath("families.toml").read_text(encoding="utf-8")
    data = tomllib.loads(source)
    campus = families.add_department(1, data["campus"], "campus")
    for number, grade in enumerate(data["grade"], 1):
        grade_id = families.add_department(10 * number, grade["name"], "grade", campus)
        class_id = families.add_department(100 * number, grade["class"], "class", grade_id)
        for child in grade["child"]:
            guardians = [(one[0], one[1], one[2]) for one in child["guardians"]]
            families.add_child(
                class_id, child["id"], child["name"], guardians, child.get("student_no", "")
            )
