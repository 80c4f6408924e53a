"""The Chinese words of the pages of people and imports (`people.toml`)."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files


@cache
def words() -> Mapping[str, Mapping[str, str]]:
    """Return the words of `people.toml`, by group and code."""
    return tomllib.loads(files("bot.web").joinpath("people.toml").read_text("utf-8"))


def word(group: str, code: str) -> str:
    """Return the Chinese words for a code; an unknown code is shown as it is."""
    return words()[group].get(code, code)


def notice(code: str) -> str:
    """Return what is said after something was done; empty for a code that isn't one."""
    return words()["done"].get(code, "")
