"""Rows out of DingTalk's directory of families (家校通讯录): one per child, with its guardians.

Then one per teacher, who is only looked for among the accounts: an import makes none.

`Directory` is what a platform's client offers (`bot.channels.dingtalk.directory`); `fetch` is
called by `work`. The directory has no phones: its people are known by the platform's ids, which is
how a parent who writes to the robot is recognised later.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bot.core.privacy import clean
from bot.db.models.person import RELATIONS
from bot.services.importing.rows import MOST_GUARDIANS, Raw


@dataclass(frozen=True, slots=True)
class ListedChild:
    """A child of a class, and those who are tied to it as (id, name, relation's code)."""

    external_id: str
    name: str
    student_no: str = ""
    guardians: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ListedClass:
    """A class of the directory; `name` with its grade, teachers as (id, name)."""

    name: str
    children: tuple[ListedChild, ...] = field(default=())
    teachers: tuple[tuple[str, str], ...] = ()


class Directory(Protocol):
    """Reads the families of one organisation."""

    def classes(self) -> AsyncIterator[ListedClass]:
        """Yield every class with its children.

        Raises:
            ChannelUnavailable, ChannelRateLimited, ChannelRefused
        """
        ...


async def fetch(directory: Directory, most: int) -> list[Raw]:
    """Return a row for each child, then for each teacher; more than `most` rows: there are more."""
    rows: list[Raw] = []
    teachers: dict[str, tuple[str, list[str]]] = {}
    async for group in directory.classes():
        for external_id, name in group.teachers:
            if external_id and name:
                teachers.setdefault(external_id, (name, []))[1].append(group.name)
        for child in group.children:
            more = ("more_guardians",) if len(child.guardians) > MOST_GUARDIANS else ()
            rows.append(Raw(len(rows) + 1, _data(group, child), more))
            if len(rows) > most:
                return rows
    for external_id, (name, groups) in teachers.items():
        said = {"teacher": name, "external": external_id, "class": " ".join(groups)}
        data = {key: clean(value).strip() for key, value in said.items()}
        rows.append(Raw(len(rows) + 1, data))
    return rows


def _data(group: ListedClass, child: ListedChild) -> Mapping[str, str]:
    data = {
        "child": child.name,
        "class": group.name,
        "student_no": child.student_no,
        "external": child.external_id,
    }
    for index, (external_id, name, relation) in enumerate(child.guardians[:MOST_GUARDIANS], 1):
        data[f"g{index}_name"] = name
        data[f"g{index}_external"] = external_id
        data[f"g{index}_relation"] = relation if relation in RELATIONS else "O"
    return {key: clean(value).strip() for key, value in data.items() if value}
