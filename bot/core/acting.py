"""In whose name jobs and handlers act: one table, read from `acting.toml`.

Read by `scripts/rights_page.py` and by the tests that compare it with what is registered. What the
rights themselves are says `bot.core.rights`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from bot.core.errors import ConfigInvalid
from bot.core.rights import right

SORTS = ("jobs", "handlers")


@dataclass(frozen=True, slots=True)
class Acting:
    """In whose name one kind of job, or one handler, acts.

    Args:
        action: the right that its person needs; empty: it acts for nobody of the staff.
        asked: when that right is asked for.
        why: why it needs none; empty for what is done for parents.
    """

    action: str = ""
    asked: str = ""
    why: str = ""


@cache
def acting(sort: str) -> Mapping[str, Acting]:
    """Return the lines of `jobs` or `handlers` by name.

    Raises:
        ConfigInvalid: a line is none, or names no right that exists.
    """
    source = files("bot.core").joinpath("acting.toml").read_text(encoding="utf-8")
    return {name: _line(name, row) for name, row in tomllib.loads(source)[sort].items()}


def _line(name: str, row: Mapping[str, object]) -> Acting:
    match row:
        case {"action": str(action), "asked": str(asked)} if len(row) == 2:
            return Acting(right(action).action, asked)
        case {"system": str(why)} if why and len(row) == 1:
            return Acting(why=why)
        case {"parents": True} if len(row) == 1:
            return Acting()
    raise ConfigInvalid(f"acting.toml: {name} does not say in whose name it acts")
