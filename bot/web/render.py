"""Templates and the Chinese words for codes. Called by `bot.web.guard` and through its `Call`."""

import re
import tomllib
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import cast

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from bot import __version__
from bot.core.clock import epoch_ms, to_shanghai
from bot.core.errors import XinqingError
from bot.services import rights
from bot.services.staff import SignedIn
from bot.web import nav
from knowledge.risk.loading import CATEGORIES

_PLACEHOLDER = re.compile(r"\{(\d{3,8})\}")


@cache
def labels() -> Mapping[str, Mapping[str, str]]:
    """Return the words of `labels.toml` and of the areas' own `labels_*.toml`, by group."""
    found: dict[str, Mapping[str, str]] = {}
    for path in sorted(Path(__file__).parent.glob("labels*.toml")):
        groups = tomllib.loads(path.read_text("utf-8"))
        twice = found.keys() & groups.keys()
        assert not twice, f"{path.name} names {twice} again"
        found |= groups
    return found


def label(group: str, code: str | None, **fields: str) -> str:
    """Return the Chinese word for a code; an unknown code is shown as it is."""
    found = labels()[group].get(code or "", code or "")
    return found.format(**fields) if fields else found


def area_word(kind: str, code: str) -> str:
    """Return the Chinese word for a code from any area's `[kind]` or `[kind_…]` group.

    An unknown code is shown as it is.
    """
    for group, words in labels().items():
        if group.split("_")[0] == kind and code in words:
            return words[code]
    return code


def category_codes() -> tuple[str, ...]:
    """Return the codes of the categories that a person can choose from, in their order."""
    return tuple(code for code in labels()["category"] if code in CATEGORIES)


def reason(error: str) -> str:
    """Return why a delivery failed, from its job's error (`ChannelRefused: 45015`)."""
    word, _, code = error.partition(":")
    return f"{label('reason', word)} {code.strip()}".strip()


def error_words(phrase_key: str) -> Mapping[str, str]:
    """Return title and text of an error page."""
    pages = cast(Mapping[str, Mapping[str, str]], labels()["error"])
    return pages.get(phrase_key, pages["error.general"])


def when(moment: datetime | None) -> str:
    """Return a moment as people in China read it: 11-22 23:40:05."""
    return to_shanghai(moment).strftime("%m-%d %H:%M:%S") if moment else ""


def minute(moment: datetime | None) -> str:
    """Return a moment to the minute, where seconds tell nobody anything: 11-22 23:40."""
    return to_shanghai(moment).strftime("%m-%d %H:%M") if moment else ""


def day(moment: datetime | None) -> str:
    """Return the day in Asia/Shanghai with its year, for what is kept on paper: 2026-11-22."""
    return to_shanghai(moment).strftime("%Y-%m-%d") if moment else ""


def clock_of(moment: datetime | None) -> str:
    """Return the time of day in Asia/Shanghai: 23:40."""
    return to_shanghai(moment).strftime("%H:%M") if moment else ""


def lasting(length: timedelta) -> str:
    """Return a length of time in words, as precise as it matters."""
    seconds = max(0, int(length.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    unit = "days" if days else "hours" if hours else "minutes" if minutes else "seconds"
    pattern = labels()["length"][unit]
    return pattern.format(s=seconds % 60, m=minutes % 60, h=hours % 24, d=days)


def with_numbers(text: str) -> Markup:
    """Return a handbook text with its `{12356}` places as numbers that can be dialled."""
    linked = r'<a class="number" href="tel:\1">\1</a>'
    return Markup(_PLACEHOLDER.sub(linked, str(escape(text))))


@cache
def _environment() -> Environment:
    """Return the one environment of the process: it keeps the templates compiled."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        when=when,
        minute=minute,
        day=day,
        clock=clock_of,
        lasting=lasting,
        epoch=epoch_ms,
        reason=reason,
        with_numbers=with_numbers,
    )
    environment.globals.update(label=label, area_word=area_word, static=static, nav_areas=nav.areas)
    return environment


def static(path: str) -> str:
    """Return the address of a front-end file; it changes with the release."""
    return f"/static/{path}?v={__version__}"


class Renderer:
    """Renders templates into responses."""

    def __init__(self) -> None:
        self._environment = _environment()

    def text(self, template: str, values: Mapping[str, object]) -> str:
        """Return a rendered template."""
        return self._environment.get_template(template).render(values)

    def response(
        self, template: str, values: Mapping[str, object], *, status: int = 200
    ) -> HTMLResponse:
        """Return a rendered template as a page."""
        return HTMLResponse(self.text(template, values), status)

    def error(self, error: XinqingError, signed_in: SignedIn | None = None) -> HTMLResponse:
        """Return the plain page for an error; the error's own text is never shown."""
        return self.error_page(error.phrase_key, error.status, signed_in)

    def error_page(
        self, phrase_key: str, status: int, signed_in: SignedIn | None = None
    ) -> HTMLResponse:
        """Return the plain page that says what went wrong and what to do."""
        values = {
            "me": signed_in.staff if signed_in else None,
            "csrf": signed_in.csrf if signed_in else "",
            "desk": bool(signed_in and rights.may(signed_in.staff, "case.summary")),
            "mode": "",
            "here": "",
            "status": status,
            **error_words(phrase_key),
        }
        return self.response("error.html", values, status=status)
