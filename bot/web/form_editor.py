"""`/desk/forms`: what a school or a district asks in its forms.

The page holds the whole form; adding, moving and dropping a field only shows it again, and saving
makes a new version. So nothing of half a change ever counts.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot.core.errors import Conflict, InputInvalid
from bot.db.models import Place
from bot.services import desk, form_definitions, form_fields
from bot.services.form_definitions import FORMS
from bot.services.form_fields import KINDS, MARKS, MOST_FIELDS, Field
from bot.web.case_acts import problem_words
from bot.web.guard import Call
from bot.web.render import label

_MOST_SENT = MOST_FIELDS + 5
_CHOOSING = ("choice", "choices")


async def list_page(call: Call) -> Response:
    """List the forms, and whose version counts where."""
    done = call.request.query_params.get("done", "")
    async with call.services.database.read() as session:
        places = await form_definitions.changeable(session, call.staff)
        chosen = _place(places, call.request.query_params.get("place", ""))
        rows = [await _row(session, chosen, kind) for kind in FORMS] if chosen else []
    return call.page(
        "forms.html",
        places=places,
        chosen=chosen,
        rows=rows,
        packaged=form_definitions.packaged(),
        notice=label("done_files", done) if done in ("form_defined", "form_given_back") else "",
    )


def _place(places: Sequence[Place], asked: str) -> Place | None:
    found = next((place for place in places if str(place.id) == asked), None)
    return found or next(iter(places), None)


async def _row(session: AsyncSession, place: Place, kind: str) -> Mapping[str, object]:
    """Return which version of a form counts at a place."""
    found = await form_definitions.in_force(session, place.id, kind)
    names = await desk.place_names(session, {found.place_id})
    return {
        "kind": kind,
        "version": found.version,
        "own": found.place_id == place.id,
        "place": names.get(found.place_id or 0, ("", ""))[1],
    }


async def edit_page(call: Call) -> Response:
    """Show a form to be changed."""
    async with call.services.database.read() as session:
        place_id, kind = _ids(call)
        await form_definitions.to_change(session, call.staff, place_id, kind)
        found = await form_definitions.in_force(session, place_id, kind)
        made = await form_definitions.versions(session, place_id, kind)
    rows = [field.row() for field in found.fields]
    return await _page(call, rows, seen=made[0].version if made else 0)


async def edit(call: Call) -> Response:
    """Change the form on the page, show how it will look, or keep it as a new version."""
    what, _, number = call.form.get("do", "").partition(":")
    rows = sent_rows(call.form, form_definitions.packaged()[_kind(call)].fields)
    seen = _number(call.form.get("seen", ""))
    if what in ("save", "back"):
        return await _keep(call, rows if what == "save" else [], seen, back_to=rows)
    rows = changed(rows, what, _number(number))
    return await _page(call, rows, seen=seen, preview=what == "preview")


async def _keep(
    call: Call,
    rows: Sequence[Mapping[str, Any]],
    seen: int,
    *,
    back_to: Sequence[Mapping[str, Any]],
) -> Response:
    place_id, kind = _ids(call)
    try:
        async with call.services.database.write() as session:
            now = call.services.clock.now()
            await form_definitions.save(
                session, call.staff, place_id, kind, rows, seen=seen, now=now
            )
    except (InputInvalid, Conflict) as error:
        where = error.field if isinstance(error, InputInvalid) else ""
        return await _page(call, back_to, seen=seen, status=error.status, error=error, where=where)
    done = "form_defined" if rows else "form_given_back"
    return RedirectResponse(f"/desk/forms?place={place_id}&done={done}", 303)


def sent_rows(sent: Mapping[str, str], packaged: Sequence[Field]) -> list[dict[str, Any]]:
    """Return the fields as the page sent them.

    What a tenant can't change (which fields are fixed, and on what they hang) is taken from the
    packaged form, never from the page.
    """
    known = {field.key: field for field in packaged}
    rows: list[dict[str, Any]] = []
    for number in range(min(_number(sent.get("count", "")), _MOST_SENT)):
        key = sent.get(f"key_{number}", "")
        own = known.get(key)
        kind = own.kind if own and own.fixed else sent.get(f"kind_{number}", "")
        rows.append(
            {
                "key": key,
                "label": sent.get(f"label_{number}", ""),
                "kind": kind,
                "required": f"required_{number}" in sent or bool(own and own.fixed),
                "mark": sent.get(f"mark_{number}", ""),
                "help": sent.get(f"help_{number}", ""),
                "options": _options(sent, number) if kind in _CHOOSING else [],
                "fixed": bool(own and own.fixed),
                "only_if": list(own.only_if) if own else ["", ""],
            }
        )
    return rows


def _options(sent: Mapping[str, str], number: int) -> list[list[str]]:
    """Return the options, one a line; those that were there keep their codes, by their order."""
    codes = [code for code in sent.get(f"codes_{number}", "").split(",") if code]
    words = [word.strip() for word in sent.get(f"options_{number}", "").splitlines()]
    words = [word for word in words if word]
    fresh = (f"o{index}" for index in range(1, 100) if f"o{index}" not in codes)
    codes += [next(fresh) for _ in range(len(words) - len(codes))]
    return [list(pair) for pair in zip(codes, words, strict=False)]


def changed(rows: list[dict[str, Any]], what: str, number: int) -> list[dict[str, Any]]:
    """Return the fields with one added, dropped, or moved by one."""
    rows = list(rows)
    if what == "add" and len(rows) < MOST_FIELDS:
        keys = {row["key"] for row in rows}
        key = next(f"own_{index}" for index in range(1, 100) if f"own_{index}" not in keys)
        rows.append(Field(key, "", "long").row())
    elif what == "remove" and number < len(rows) and not rows[number]["fixed"]:
        del rows[number]
    elif what in ("up", "down"):
        other = number - 1 if what == "up" else number + 1
        if 0 <= other < len(rows) and number < len(rows):
            rows[number], rows[other] = rows[other], rows[number]
    return rows


async def _page(
    call: Call,
    rows: Sequence[Mapping[str, Any]],
    *,
    seen: int,
    status: int = 200,
    preview: bool = False,
    error: Conflict | InputInvalid | None = None,
    where: str = "",
) -> Response:
    place_id, kind = _ids(call)
    async with call.services.database.read() as session:
        place = await form_definitions.to_change(session, call.staff, place_id, kind)
        made = await form_definitions.versions(session, place_id, kind)
        names = await desk.staff_names(session, {row.made_by for row in made})
    fields: tuple[Field, ...] = ()
    if preview:
        try:
            fields = form_fields.parse(rows)
        except InputInvalid as wrong:
            error, where, status = wrong, wrong.field, wrong.status
    return call.page(
        "form_edit.html",
        status=status,
        place=place,
        form=form_definitions.packaged()[kind],
        rows=rows,
        seen=seen,
        kinds=KINDS,
        marks=MARKS,
        most=MOST_FIELDS,
        versions=made,
        names=names,
        fields=fields,
        problem=problem_words(error) if error else "",
        where=where,
        chosen=form_fields.chosen,
    )


def _ids(call: Call) -> tuple[int, str]:
    return call.request.path_params["place_id"], call.request.path_params["form_kind"]


def _kind(call: Call) -> str:
    """Return the form of the path; the packaged one of an unknown name is asked for by nobody."""
    kind: str = call.request.path_params["form_kind"]
    return kind if kind in FORMS else FORMS[0]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
