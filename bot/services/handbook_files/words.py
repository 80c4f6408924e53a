"""The Chinese words of the handbook's files. Read by every module beside this one."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any


@cache
def words() -> Mapping[str, Any]:
    """Return `words.toml`, read once."""
    return tomllib.loads(Path(__file__).with_name("words.toml").read_text("utf-8"))


def said(group: str, code: str, **fields: object) -> str:
    """Return the sentence for a code of a group."""
    return str(words()[group][code]).format(**fields)
