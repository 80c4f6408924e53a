"""The rules' pages for everybody of the desk: reading rules, drafts, editing, checking.

What reads other schools' messages or changes what is in force is in `bot.web.rules_district`.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from bot.core.errors import Conflict, InputInvalid, NotFound, XinqingError
from bot.db.models import RuleReplay, RuleSet
from bot.db.models.rules import DRAFT, RUNNING, SHADOW
from bot.services import desk, replays, rights, rule_changes, rulesets
from bot.services.rule_diff import diff
from bot.services.rule_files import packaged_version
from bot.web.guard import Call
from bot.web.risk_cases import binding
from bot.web.rule_words import problem, word
from knowledge.risk.drafting import Block, blocks, with_block
from knowledge.risk.regression import Failure, Regression

WHOLE = "all"


@dataclass(frozen=True, slots=True)
class Shown:
    """One rule of a file as the page lists it.

    Args:
        level: empty when the block is no rule, or can't be read.
    """

    block: Block
    level: str
    category: str
    reason: str


async def rules_page(call: Call) -> Response:
    """Show what is in force, the drafts and every version."""
    return await overview_page(call, notice=_notice(call))


async def overview_page(
    call: Call, *, status: int = 200, notice: str = "", trouble: str = ""
) -> Response:
    """Show the list of rule sets, with what went wrong."""
    async with call.services.database.read() as session:
        shown = await rulesets.overview(session, call.staff)
        everyone = [*shown.versions, *shown.drafts, *shown.discarded]
        everyone += [shown.shadow] if shown.shadow else []
        names = await desk.staff_names(
            session, {who for row in everyone for who in (row.author, row.published_by)}
        )
    return call.page(
        "rules.html",
        status=status,
        o=shown,
        names=names,
        packaged=packaged_version(),
        live_id=shown.live.id if shown.live else rulesets.PACKAGED_ID,
        may=may_decide(call),
        sent=call.form,
        notice=notice,
        trouble=trouble,
        word=word,
    )


async def make_draft(call: Call) -> Response:
    """Make a draft of the rules in force, or of the set that was named."""
    source = call.form.get("source", "")
    try:
        async with call.services.database.write() as session:
            row = await rulesets.make_draft(
                session,
                call.staff,
                name=call.form.get("name", ""),
                note=call.form.get("note", ""),
                source=int(source) if source.isdecimal() and len(source) < 10 else -1,
                now=call.services.clock.now(),
            )
    except InputInvalid as error:
        return await overview_page(call, status=error.status, trouble=word("input", error.field))
    return RedirectResponse(f"/rules/{row.id}?done=draft", 303)


async def set_page(call: Call) -> Response:
    """Show one rule set."""
    return await one_page(call, notice=_notice(call))


async def one_page(
    call: Call,
    *,
    status: int = 200,
    notice: str = "",
    trouble: str = "",
    failures: Sequence[Failure] = (),
    checked: Regression | None = None,
) -> Response:
    """Show one rule set, with what went wrong or what a check found."""
    async with call.services.database.read() as session:
        row = await _row(call, session)
        live = await rulesets.live(session)
        replay = await replays.latest(session, row.id) if row else None
        shadow = await rule_changes.shadow_counts(session, row) if row else (0, {})
        ids = {row.author, row.published_by} if row else set()
        names = await desk.staff_names(session, ids)
    mine, theirs = rulesets.files_of(row), rulesets.files_of(live)
    return call.page(
        "rules_set.html",
        status=status,
        r=row,
        files=[(name, mine[name] != theirs.get(name), len(blocks(mine[name]))) for name in mine],
        replay=replay,
        shadow=shadow,
        names=names,
        version=rulesets.version_of(row),
        based_on_old=row is not None
        and row.state in (DRAFT, SHADOW)
        and row.based_on != rulesets.version_of(live),
        replay_old=row is not None
        and replay is not None
        and (replay.live_version, replay.new_version) != (rulesets.version_of(live), row.version),
        live_id=live.id if live else rulesets.PACKAGED_ID,
        may=may_decide(call),
        ways=rule_changes.WAYS,
        whys=rule_changes.WHY,
        days=replays.DAYS,
        sent=call.form,
        notice=notice,
        trouble=trouble,
        failures=failures,
        checked=checked,
        word=word,
        problem=problem,
    )


async def progress(call: Call) -> Response:
    """Return the state of a replay, for a page that is open; at its end the page loads anew."""
    async with call.services.database.read() as session:
        row = await rulesets.read(session, call.staff, call.request.path_params["rules_id"])
        replay = await replays.latest(session, row.id)
    response = call.page("_rules_replay.html", r=row, replay=replay, word=word)
    if not _runs(replay):
        response.headers["HX-Refresh"] = "true"
    return response


async def check(call: Call) -> Response:
    """Check a rule set against all it must and must not see, without publishing it."""
    rules_id: int = call.request.path_params["rules_id"]
    try:
        cases = await binding(call)
        result = await rulesets.examine(call.services.database, call.staff, rules_id, cases)
    except rulesets.NotFit as error:
        trouble = word("conflict", "not_loading")
        return await one_page(call, status=error.status, trouble=trouble)
    return await one_page(call, checked=result, failures=result.failures)


async def discard(call: Call) -> Response:
    """Put a draft aside."""
    try:
        async with call.services.database.write() as session:
            await rulesets.discard(
                session,
                call.staff,
                call.request.path_params["rules_id"],
                row_version=row_version(call),
                now=call.services.clock.now(),
            )
    except Conflict as error:
        return await one_page(call, status=error.status, trouble=explain(error))
    return RedirectResponse("/rules?done=discarded", 303)


async def diff_page(call: Call) -> Response:
    """Show what a rule set changes in the one in force."""
    async with call.services.database.read() as session:
        row = await _row(call, session)
        live = await rulesets.live(session)
    found = diff(rulesets.files_of(live), rulesets.files_of(row))
    return call.page("rules_diff.html", r=row, files=found, word=word)


async def file_page(call: Call) -> Response:
    """Show one file of a rule set, or one rule of it for editing."""
    return await _file_page(call, notice=_notice(call))


async def _file_page(
    call: Call, *, status: int = 200, notice: str = "", trouble: str = "", mine: str | None = None
) -> Response:
    async with call.services.database.read() as session:
        row = await _row(call, session)
    name, text = _file(call, row)
    cut = blocks(text)
    editing = _block(call, cut) if row is not None and row.state == DRAFT else None
    return call.page(
        "rules_file.html",
        status=status,
        r=row,
        name=name,
        rows=[_shown(block) for block in cut],
        editing=editing,
        stored=_text_of(text, cut, editing),
        mine=mine,
        notice=notice,
        trouble=trouble,
        word=word,
        problem=problem,
    )


async def save_file(call: Call) -> Response:
    """Keep what somebody wrote, and say whether the rules can be read."""
    rules_id: int = call.request.path_params["rules_id"]
    written = call.form.get("text", "").replace("\r\n", "\n")
    try:
        async with call.services.database.read() as session:
            row = await rulesets.read(session, call.staff, rules_id)
        name, text = _file(call, row)
        block = _block(call, blocks(text))
        if block is None:
            raise InputInvalid("text", field="text")
        if row.row_version != row_version(call):
            raise rulesets.Stale("row")
        row = await rulesets.save(
            call.services.database,
            call.staff,
            rules_id,
            file=name,
            text=written if block == WHOLE else with_block(text, int(block), written),
            row_version=row_version(call),
            now=call.services.clock.now(),
        )
    except rulesets.Stale as error:
        trouble = word("conflict", "row")
        return await _file_page(call, status=error.status, trouble=trouble, mine=written)
    except Conflict as error:
        return await _file_page(call, status=error.status, trouble=explain(error), mine=written)
    except InputInvalid as error:
        trouble = word("input", "text")
        return await _file_page(call, status=error.status, trouble=trouble, mine=written)
    here = f"/rules/{rules_id}/files/{quote(name)}"
    if row.problem is not None:
        return RedirectResponse(f"{here}?block={block}&done=saved_broken", 303)
    return RedirectResponse(f"{here}?done=saved" + ("" if block == WHOLE else f"#b{block}"), 303)


def may_decide(call: Call) -> bool:
    """Say whether the caller may replay, publish and read other schools' words."""
    return rights.may(call.staff, "rules.publish")


def row_version(call: Call) -> int:
    """Return the version of the row that the caller's page showed; -1 when it is missing."""
    sent = call.form.get("row", "")
    return int(sent) if sent.isdecimal() and len(sent) < 10 else -1


def explain(error: XinqingError) -> str:
    """Say in Chinese why something was not done."""
    if isinstance(error, InputInvalid):
        return word("input", error.field)
    if isinstance(error, rulesets.NotFit):
        return word("conflict", "not_fit" if error.failures else "not_loading")
    code = str(error)
    return word("conflict", "row_short" if code == "row" else code)


def _notice(call: Call) -> str:
    done = call.request.query_params.get("done", "")
    text = word("done", done)
    return "" if text == done else text


def _runs(replay: RuleReplay | None) -> bool:
    return replay is not None and replay.state == RUNNING


async def _row(call: Call, session: Any) -> RuleSet | None:
    """Return the rule set of the address; None for the packaged rules."""
    rules_id: int = call.request.path_params["rules_id"]
    return (
        None
        if rules_id == rulesets.PACKAGED_ID
        else await rulesets.read(session, call.staff, rules_id)
    )


def _file(call: Call, row: RuleSet | None) -> tuple[str, str]:
    name: str = call.request.path_params["name"]
    files = rulesets.files_of(row)
    if name not in files:
        raise NotFound("no such rule file")
    return name, files[name]


def _block(call: Call, cut: Sequence[Block]) -> str | None:
    """Return which block is to be edited: its number, or `all`; None for none."""
    sent = call.form.get("block") or call.request.query_params.get("block", "")
    if sent == WHOLE:
        return WHOLE
    there = sent.isdecimal() and len(sent) < 6 and int(sent) < len(cut)
    return sent if there else None


def _text_of(text: str, cut: Sequence[Block], editing: str | None) -> str:
    if editing is None or editing == WHOLE:
        return text
    return cut[int(editing)].text.rstrip() + "\n"


def _shown(block: Block) -> Shown:
    try:
        data = tomllib.loads(block.text)
        entry = data["rule" if block.kind == "rule" else "combo"][0]
        return Shown(block, str(entry["level"]), str(entry["category"]), str(entry["reason"]))
    except (tomllib.TOMLDecodeError, RecursionError, KeyError, IndexError, TypeError):
        return Shown(block, "", "", "")
