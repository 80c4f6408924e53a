"""Which areas of the pages a person may enter, for the links at the top and the start page.

Called by the templates (`_nav.html`, `start.html`). What may be entered stands in the access table
alone; the names of the links are in `nav.toml`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from bot.services import rights
from bot.services.staff import StaffView
from bot.web.table import TABLE


@dataclass(frozen=True, slots=True)
class Link:
    """One page of an area."""

    path: str
    text: str
    here: bool


@dataclass(frozen=True, slots=True)
class Area:
    """One area as a person sees it.

    Args:
        here: the page that is shown belongs to it.
    """

    name: str
    text: str
    tile: str
    here: bool
    links: tuple[Link, ...]

    @property
    def path(self) -> str:
        """Return where the area begins for this person."""
        return self.links[0].path


@cache
def data() -> list[Mapping[str, Any]]:
    """Return what `nav.toml` holds, area by area."""
    areas: list[Mapping[str, Any]] = tomllib.loads(
        files("bot.web").joinpath("nav.toml").read_text("utf-8")
    )["area"]
    return areas


def areas(person: StaffView | None, here: str) -> tuple[Area, ...]:
    """Return the areas that a person may enter, in their order; none before the first password.

    Args:
        here: the path of the page that is shown.
    """
    if person is None or person.must_change_password:
        return ()
    paths = [link["path"] for row in data() for link in row["links"]]
    best = max((path for path in paths if _within(here, path)), key=len, default="")
    shown = [_area(row, person, best) for row in data()]
    return tuple(area for area in shown if area.links)


def _area(row: Mapping[str, Any], person: StaffView, best: str) -> Area:
    open_ = [link for link in row["links"] if _may_enter(person, link["path"])]
    links = tuple(Link(link["path"], link["text"], link["path"] == best) for link in open_)
    inside = any(link["path"] == best for link in row["links"])
    return Area(row["name"], row["text"], row["tile"], inside, links)


def _within(here: str, path: str) -> bool:
    return here == path or here.startswith(f"{path}/")


def _may_enter(person: StaffView, path: str) -> bool:
    access = TABLE.get(("GET", path))
    return access is not None and (access.anyone or rights.may(person, access.action))
