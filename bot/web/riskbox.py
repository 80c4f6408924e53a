"""The test box: what the rules make of a text, why, and what would change it.

The text lives in one request only: it is neither stored nor logged nor part of an address. Judging
it again and again takes processor time, so that is done beside the event loop.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from starlette.responses import Response

from bot.core.errors import InputInvalid
from bot.core.levels import LEVELS
from bot.db.models import RuleSet as RuleSetRow
from bot.services import rulesets
from bot.services.rule_files import check_files
from bot.web.guard import Call
from bot.web.render import category_codes, label
from knowledge.risk import Context, Level, RuleSet, Span
from knowledge.risk.explain import explain
from knowledge.risk.explanation import Change, Explanation

MAX_TEXT = 100_000
MAX_TURN = 2_000
TURNS = ("turn1", "turn2", "turn3")
# As in the choice on the page; empty: nobody knows.
SPEAKERS = ("", "PC", "PS", "S", "T", "G", "PO")
LIVE = "live"
KINDS_OF_CHANGE = ("rule", "model", "clause", "speaker", "turns", "floor")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person put into the box."""

    text: str = ""
    turns: tuple[str, ...] = ("", "", "")
    who: str = ""
    floor: str = LEVELS[0]
    rules: str = LIVE

    @classmethod
    def of(cls, form: Mapping[str, str]) -> "Asked":
        """Read the form; nothing is checked yet."""
        return cls(
            text=form.get("text", ""),
            turns=tuple(form.get(name, "") for name in TURNS),
            who=form.get("who", ""),
            floor=form.get("floor", LEVELS[0]),
            rules=form.get("rules", LIVE),
        )

    @property
    def problem(self) -> str:
        """Return the code of what is wrong with it, or nothing."""
        if not self.text.strip():
            return "empty"
        if len(self.text) > MAX_TEXT:
            return "too_long"
        if any(len(turn) > MAX_TURN for turn in self.turns):
            return "turn_too_long"
        return "" if self.who in SPEAKERS and self.floor in LEVELS else "choice"

    @property
    def context(self) -> Context:
        """Return the surroundings in which the text is judged."""
        turns = tuple(turn for turn in self.turns if turn.strip())
        return Context(who=self.who or None, turns=turns, floor=Level(self.floor))


async def try_form(call: Call) -> Response:
    """Show the empty box."""
    return await page(call, Asked())


async def try_text(call: Call) -> Response:
    """Judge a text and explain the judgement."""
    asked = Asked.of(call.form)
    if asked.problem:
        return await page(call, asked, problem=asked.problem)
    rules = await rules_of(call, asked.rules)
    if rules is None:
        return await page(call, asked, problem="no_rules" if asked.rules == LIVE else "choice")
    return await page(call, asked, await judged(asked, rules))


async def judged(asked: Asked, rules: RuleSet) -> Explanation:
    """Explain what rules make of what was put in."""
    return await asyncio.to_thread(explain, asked.text, asked.context, rules)


async def rules_of(call: Call, name: str) -> RuleSet | None:
    """Return the rule set that a person chose; None when there is no such set any more.

    A draft is judged beside the classifier in force, as it would be once it is published.
    """
    live = call.services.screen.rules
    if name == LIVE:
        return live
    chosen = [row.id for row in await _drafts(call) if str(row.id) == name]
    if not chosen:
        return None
    async with call.services.database.read() as session:
        files = rulesets.files_of(await rulesets.read(session, call.staff, chosen[0]))
    made = (await check_files(files)).rules
    if made is not None and live is not None:
        made.classifier = live.classifier
    return made


async def _drafts(call: Call) -> list[RuleSetRow]:
    """Return the rule sets besides the live one that can be loaded."""
    async with call.services.database.read() as session:
        known = await rulesets.overview(session, call.staff)
    rows = [*known.drafts, *([known.shadow] if known.shadow else [])]
    return [row for row in rows if row.problem is None]


async def page(
    call: Call,
    asked: Asked,
    told: Explanation | None = None,
    *,
    problem: str = "",
    refused: str = "",
) -> Response:
    """Show the box with what was put in, and the result if there is one.

    Args:
        problem: code of what is wrong with what was put in.
        refused: why the text was not taken as a test case, in words.
    """
    marked = [row.spans for row in told.fired] if told else []
    return call.page(
        "risk_try.html",
        status=InputInvalid.status if problem or refused else 200,
        asked=asked,
        told=told,
        problem=label("risk_try", problem) if problem else "",
        refused=refused,
        sent=call.form,
        speakers=SPEAKERS,
        levels=LEVELS,
        categories=category_codes(),
        drafts=await _drafts(call),
        max_text=MAX_TEXT,
        pieces=tuple(pieces(asked.text, marked)) if told else (),
        changes=by_kind(told.changes) if told else {},
    )


def pieces(text: str, marked: Sequence[Iterable[Span]]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Cut a text where stretches begin and end.

    Args:
        marked: for each row the stretches that belong to it.

    Returns:
        Each piece with the numbers, from 1, of the rows it belongs to.
    """
    opens: defaultdict[int, set[int]] = defaultdict(set)
    closes: defaultdict[int, set[int]] = defaultdict(set)
    for number, spans in enumerate(marked, 1):
        for span in spans:
            opens[span.start].add(number)
            closes[span.end].add(number)
    active: set[int] = set()
    for start, end in pairwise(sorted({0, len(text), *opens, *closes})):
        active -= closes[start]
        active |= opens[start]
        yield text[start:end], tuple(sorted(active))


def by_kind(changes: Iterable[Change]) -> dict[str, list[Change]]:
    """Return the changes by kind, those that change the level first."""
    grouped: dict[str, list[Change]] = {}
    ordered = sorted(changes, key=lambda one: (KINDS_OF_CHANGE.index(one.kind), not one.changes))
    for one in ordered:
        grouped.setdefault(one.kind, []).append(one)
    return grouped
