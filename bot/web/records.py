"""The page of the audit trail: filtered, a page at a time, and its export.

Each look is an entry of its own. What may be seen is in `bot.services.audit_list`.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from urllib.parse import urlencode

from starlette.responses import Response

from bot.core.clock import to_shanghai
from bot.core.errors import InputInvalid
from bot.services import audit, audit_list, desk
from bot.services.audit_list import PAGE, Wanted
from bot.web.guard import Call

LONGEST = timedelta(days=366)
_FIELDS = ("from", "to", "action", "staff", "place")


@cache
def words() -> Mapping[str, Mapping[str, str]]:
    """Return the words of `records.toml`, by group and code."""
    return tomllib.loads(files("bot.web").joinpath("records.toml").read_text("utf-8"))


def word(group: str, code: str) -> str:
    """Return the Chinese word for a code; an unknown code is shown as it is."""
    return words()[group].get(code, code)


async def audit_page(call: Call) -> Response:
    """Show entries, the newest first."""
    sent = {name: call.request.query_params.get(name, "") for name in (*_FIELDS, "before")}
    trouble = ""
    try:
        chosen = _wanted(sent)
    except InputInvalid:
        chosen, trouble = Wanted(), word("trouble", "days")
    async with call.services.database.read() as session:
        wanted = await audit_list.limited_to(session, call.staff, chosen)
        total = await audit_list.count(session, wanted)
        entries = list(await audit_list.page(session, wanted, before=_number(sent["before"])))
        known = await audit_list.known_actions(session)
        places = await audit_list.places(session, call.staff)
        people = await audit_list.people(session, wanted)
        names = await desk.staff_names(session, people)
    await _note(call, "audit.looked", {"shown": len(entries[:PAGE]), **_codes(chosen)})
    older = entries[PAGE - 1].id if len(entries) > PAGE else None
    kept = {name: sent[name] for name in _FIELDS if sent[name]}
    return call.page(
        "admin_audit.html",
        status=422 if trouble else 200,
        entries=entries[:PAGE],
        total=total,
        older=urlencode({**kept, "before": older}) if older else "",
        first=urlencode(kept) if sent["before"] else None,
        actions=known,
        names=names,
        places=places,
        sent=sent,
        trouble=trouble,
        word=word,
        said=_said,
        action_word=audit_list.word,
        year=lambda moment: to_shanghai(moment).year,
    )


async def export_audit(call: Call) -> Response:
    """Hand out the entries of the filter as JSON Lines: codes and ids, no names."""
    chosen = _wanted(call.form)
    if chosen.since is None or chosen.until is None or chosen.until - chosen.since > LONGEST:
        raise InputInvalid("an export needs a first and a last day, at most a year", field="from")
    async with call.services.database.read() as session:
        wanted = await audit_list.limited_to(session, call.staff, chosen)
        rows = [row async for row in audit_list.rows(session, wanted)]
    await _note(call, "audit.exported", {"rows": len(rows), "way": "page", **_codes(chosen)})
    day = to_shanghai(call.services.clock.now()).date()
    return Response(
        "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows),
        media_type="application/x-ndjson",
        headers={"Content-Disposition": f'attachment; filename="audit-{day}.jsonl"'},
    )


def _said(value: object) -> str:
    """Return a value beside an entry in Chinese; counts by code are put one after another."""
    if isinstance(value, dict):
        return "、".join(f"{word('data', key)} {_said(one)}" for key, one in value.items())
    if isinstance(value, list):
        return "、".join(_said(one) for one in value)
    return word("value", str(value))


def _wanted(sent: Mapping[str, str]) -> Wanted:
    """Read the filter.

    Raises:
        InputInvalid: a day that is none.
    """
    first, last = _day(sent.get("from", "")), _day(sent.get("to", ""))
    until = audit_list.day_starts(last + timedelta(days=1)) if last else None
    return replace(
        Wanted(action=sent.get("action", "")[:48], staff_id=_number(sent.get("staff", ""))),
        place_id=_number(sent.get("place", "")),
        since=audit_list.day_starts(first) if first else None,
        until=until,
    )


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text) if text else None
    except ValueError:
        raise InputInvalid("not a day", field="from") from None
    if found is not None and not 2000 <= found.year < 2200:
        raise InputInvalid("not a day", field="from")
    return found


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 16 else None


def _codes(wanted: Wanted) -> dict[str, object]:
    """Return the filter as the trail keeps it."""
    codes: dict[str, object] = {}
    if wanted.since is not None:
        codes["since"] = wanted.since.isoformat()
    if wanted.until is not None:
        codes["until"] = wanted.until.isoformat()
    if wanted.action in audit_list.actions():
        codes["action"] = wanted.action
    if wanted.staff_id is not None:
        codes["staff"] = wanted.staff_id
    if wanted.place_id is not None:
        codes["place"] = wanted.place_id
    return codes


async def _note(call: Call, action: str, data: Mapping[str, object]) -> None:
    async with call.services.database.write() as session:
        await audit.record(
            session,
            staff_id=call.staff.id,
            action=action,
            object_kind="audit",
            object_id=None,
            now=call.services.clock.now(),
            data=data,
        )
