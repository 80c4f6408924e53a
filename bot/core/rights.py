"""Rights: one table of actions and roles, deny by default, read from `rights.toml`.

Asked by the access table of the pages, by handlers and by jobs; `bot.services.rights` adds where a
person holds a role and which objects are theirs.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal, cast

from bot.core.errors import ConfigInvalid

Reach = Literal["below", "self"]
_REACHES = ("below", "self")
_FLAGS = ("second", "reason", "logged", "factor")


@dataclass(frozen=True, slots=True)
class Right:
    """Who may do one action.

    Args:
        what: the action in Chinese, for the pages and the matrix.
        roles: any of these is enough.
        reach: how far from the place of the role it reaches.
        second: never by the person who asked for it or wrote it.
        reason: a reason is asked for and recorded.
        logged: each use is an audit entry.
        factor: whoever may do it needs a second factor where one is demanded.
        narrow: by role what of it the role reaches, in Chinese; the asked service holds it.
    """

    action: str
    what: str
    roles: frozenset[str]
    reach: Reach = "below"
    second: bool = False
    reason: bool = False
    logged: bool = False
    factor: bool = False
    narrow: Mapping[str, str] = field(default_factory=dict)


@cache
def table() -> Mapping[str, Right]:
    """Return every right by its action.

    Raises:
        ConfigInvalid: the packaged file is broken.
    """
    source = files("bot.core").joinpath("rights.toml").read_text(encoding="utf-8")
    return MappingProxyType(
        {name: _right(name, row) for name, row in tomllib.loads(source).items()}
    )


def right(action: str) -> Right:
    """Return the right of one action.

    Raises:
        ConfigInvalid: there is no such action, so nobody may do it.
    """
    found = table().get(action)
    if found is None:
        raise ConfigInvalid(f"no right is called {action}")
    return found


def _right(name: str, row: Mapping[str, object]) -> Right:
    reach = row.get("reach", "below")
    unknown = set(row) - {"what", "roles", "reach", "narrow", *_FLAGS}
    if unknown or reach not in _REACHES or not row.get("roles") or not row.get("what"):
        raise ConfigInvalid(f"rights.toml: {name} is not a right")
    flags = {flag: bool(row.get(flag, False)) for flag in _FLAGS}
    roles = frozenset(cast(list[str], row["roles"]))
    narrow = cast(Mapping[str, str], row.get("narrow", {}))
    if not set(narrow) <= roles:
        raise ConfigInvalid(f"rights.toml: {name} narrows a role that may not")
    return Right(name, str(row["what"]), roles, cast(Reach, reach), **flags, narrow=narrow)
