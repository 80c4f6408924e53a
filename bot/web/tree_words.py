"""The Chinese words of the pages of the tree and of staff (`tree.toml`).

Called by `bot.web.tree`, `bot.web.move_up`, `bot.web.staffing` and their templates.
"""

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from bot.core.errors import InputInvalid, XinqingError
from bot.db.models import Place
from bot.services import places
from bot.web.guard import Call


@cache
def words() -> Mapping[str, Mapping[str, str]]:
    """Return the words of `tree.toml`, by group and code."""
    return tomllib.loads(files("bot.web").joinpath("tree.toml").read_text("utf-8"))


def word(group: str, code: str, **fields: object) -> str:
    """Return the Chinese words for a code; an unknown code is shown as it is."""
    found = words()[group].get(code, code)
    return found.format(**fields) if fields else found


def explain(error: XinqingError) -> str:
    """Say in Chinese why something was not done."""
    if isinstance(error, InputInvalid):
        known = words()["input"]
        return known[str(error)] if str(error) in known else word("input", error.field)
    return word("trouble", str(error))


def notice(call: Call) -> str:
    """Return what the page says was done; an unknown code says nothing."""
    return words()["done"].get(call.request.query_params.get("done", ""), "")


def number(sent: str) -> int:
    """Return a form's number; -1 when it is none."""
    return int(sent) if sent.isascii() and sent.isdecimal() and len(sent) < 10 else -1


def chosen(call: Call, field: str) -> int:
    """Return the id that was chosen in a form.

    Raises:
        InputInvalid: none was.
    """
    found = number(call.form.get(field, ""))
    if found < 0:
        raise InputInvalid(field, field=field)
    return found


def full_names(rows: Sequence[Place]) -> dict[int, str]:
    """Return each place's name with those above it, as far as they are among the rows."""
    names = {row.id: row.name for row in rows}
    return {
        row.id: " / ".join(names[one] for one in places.path_ids(row)[1:] if one in names)
        or row.name
        for row in rows
    }
