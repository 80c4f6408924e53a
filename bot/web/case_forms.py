"""One form of a case on its own page: write, sign, add to, drop."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import RedirectResponse, Response

from bot.core.clock import to_shanghai
from bot.core.errors import Conflict, InputInvalid
from bot.core.hotlines import Hotline, clock_time
from bot.db.models import Case, CaseForm
from bot.services import case_rights, desk, drafts, form_fields, forms, level_words
from bot.services.form_fields import Field
from bot.services.forms import Moved
from bot.services.prints import REASONS
from bot.web import form_words
from bot.web.case_acts import problem_words
from bot.web.desk_queue import log_reads
from bot.web.guard import Call
from bot.web.render import label

# The day of a contact is mostly today.
_CONTACT, _DAY = "contact", "day"
# Lines that a safety plan begins with.
_PLAN, _PLAN_LINES, _PLAN_KINDS = "safety_plan", "lines", ("psych", "youth", "own")


async def begin(call: Call) -> Response:
    """Open the draft of a form."""
    case_id: int = call.request.path_params["case_id"]
    kind = call.form.get("kind", "contact")
    async with call.services.database.write() as session:
        case = await case_rights.visible(session, call.staff, case_id)
        now = call.services.clock.now()
        first = _first(call, kind)
        form = await forms.begin(session, call.staff, case, kind, now=now, answers=first)
        form_id = form.id
    return RedirectResponse(f"/desk/cases/{case_id}/forms/{form_id}", 303)


def _first(call: Call, kind: str) -> Mapping[str, str]:
    """Return what a new draft begins with."""
    if kind == _CONTACT:
        return {_DAY: to_shanghai(call.services.clock.now()).date().isoformat()}
    return _lines(call) if kind == _PLAN else {}


def _lines(call: Call) -> Mapping[str, str]:
    """Return what a safety plan begins with: the numbers in force, and no others."""
    book = call.services.lines.book
    chosen = (book.get("110"), book.get("120"), *book.dated_lines(_PLAN_KINDS))
    found = {line.number: f"{line.number} {line.name} {_hours(line)}" for line in chosen}
    return {_PLAN_LINES: "\n".join(found.values())}


def _hours(line: Hotline) -> str:
    if line.always or line.daily is None:
        return label("form_page", "always")
    return f"{clock_time(line.daily.start)}–{clock_time(line.daily.end)}"


async def form_page(call: Call) -> Response:
    """Show a form: to be written in while it is a draft, to be read once it is signed."""
    done = call.request.query_params.get("done", "")
    notice = label("done_files", done) if done in ("form_saved", "form_signed") else ""
    return await _page(call, notice=notice)


async def write(call: Call) -> Response:
    """Keep a draft, and sign it where that was asked for; nothing typed is lost."""
    case_id, form_id = _ids(call)
    signing = call.form.get("do") == "sign"
    wrong: Mapping[str, str] = {}
    try:
        async with call.services.database.write() as session:
            form = await forms.to_read(session, call.staff, case_id, form_id)
            now, seen = call.services.clock.now(), _number(call.form.get("seen", ""))
            if not (signing and forms.signed_by(form, call.staff)):
                answers = typed(forms.fields_of(form), call.form)
                form = await forms.save(session, call.staff, form_id, answers, seen=seen, now=now)
            # What is kept in the form needs no draft of a box beside it.
            await drafts.drop(session, call.staff, call.form.get("drafts", "").split(","))
            if signing:
                version = form.row_version
                wrong = await forms.sign(session, call.staff, form_id, seen=version, now=now)
    except (Conflict, InputInvalid) as error:
        return await _page(call, status=error.status, error=error)
    call.services.bell.ring()
    if wrong:
        return await _page(call, status=422, wrong=wrong, problem=label("form_page", "not_signed"))
    if signing:
        return RedirectResponse(f"/desk/cases/{case_id}?done=form_signed#panel-forms", 303)
    return RedirectResponse(f"/desk/cases/{case_id}/forms/{form_id}?done=form_saved", 303)


def typed(fields: tuple[Field, ...], sent: Mapping[str, str]) -> dict[str, str]:
    """Return the answers as a page sent them; each choice of several has a box of its own."""
    answers: dict[str, str] = {}
    for field in fields:
        if field.kind == "choices":
            boxes = (code for code, _ in field.options if f"f.{field.key}.{code}" in sent)
            answers[field.key] = "\n".join(boxes)
        else:
            answers[field.key] = sent.get(f"f.{field.key}", "")
    return answers


async def amend(call: Call) -> Response:
    """Open the draft of an addendum to a signed form."""
    case_id, form_id = _ids(call)
    try:
        async with call.services.database.write() as session:
            await forms.to_read(session, call.staff, case_id, form_id)
            now = call.services.clock.now()
            added = (await forms.amend(session, call.staff, form_id, now=now)).id
    except Conflict as error:
        return await _page(call, status=error.status, error=error)
    return RedirectResponse(f"/desk/cases/{case_id}/forms/{added}", 303)


async def discard(call: Call) -> Response:
    """Drop a draft."""
    case_id, form_id = _ids(call)
    try:
        async with call.services.database.write() as session:
            await forms.to_read(session, call.staff, case_id, form_id)
            await forms.discard(session, call.staff, form_id, now=call.services.clock.now())
    except Conflict as error:
        return await _page(call, status=error.status, error=error)
    return RedirectResponse(f"/desk/cases/{case_id}?done=form_discarded#panel-forms", 303)


async def _page(
    call: Call,
    *,
    status: int = 200,
    notice: str = "",
    problem: str = "",
    wrong: Mapping[str, str] | None = None,
    error: Conflict | InputInvalid | None = None,
) -> Response:
    case_id, form_id = _ids(call)
    async with call.services.database.read() as session:
        form = await forms.to_read(session, call.staff, case_id, form_id)
        case = await session.get_one(Case, case_id)
        names = await _names(session, case_id)
        words = await level_words.shown(session, case.place_id)
        family = form_words.together(await forms.of_case(session, case_id), case, names)
    await log_reads(call, "case.read", [case_id])
    fields = forms.fields_of(form)
    # What was typed comes back, whatever became of it.
    mine = typed(fields, call.form) if "do" in call.form else dict(form.answers)
    if error is not None:
        wrong = _wrong(call, fields, mine) if isinstance(error, InputInvalid) else {}
    return call.page(
        "case_form.html",
        status=status,
        case=case,
        form=form,
        shown=form_words.shown(form, case, names),
        addenda=next((one.addenda for one in family if one.id == form.id), ()),
        fields=fields,
        answers=mine,
        chosen=form_fields.chosen,
        theirs=_theirs(form, fields, mine) if isinstance(error, Moved) else {},
        wrong=wrong or {},
        words=words,
        notice=notice,
        problem=problem_words(error) if error else problem,
        reasons=REASONS,
    )


async def _names(session: AsyncSession, case_id: int) -> dict[int, str]:
    found = await forms.of_case(session, case_id)
    return await desk.staff_names(session, {form.author_id for form in found})


def _wrong(call: Call, fields: tuple[Field, ...], mine: Mapping[str, str]) -> dict[str, str]:
    today = call.services.clock.now().date()
    return form_fields.problems(fields, mine, today=today, signing=False)


def _theirs(form: CaseForm, fields: tuple[Field, ...], mine: Mapping[str, str]) -> dict[str, str]:
    """Return what stands in the draft now, in words, where it differs from what was typed."""
    mine = form_fields.tidy(fields, mine)
    return {
        field.key: form_fields.shown(
            field, form.answers.get(field.key, ""), form_words.answer_words()
        )
        for field in fields
        if form.answers.get(field.key, "") != mine.get(field.key, "")
    }


def _ids(call: Call) -> tuple[int, int]:
    return call.request.path_params["case_id"], call.request.path_params["form_id"]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
