"""The editors' trial page: what a question would get, in its very words, and why.

The text lives in one request only: it is neither stored nor logged nor part of an address, and no
gap ticket is opened. Searching takes processor time, so that is done beside the event loop.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from starlette.responses import Response

from bot.core.errors import InputInvalid
from bot.core.levels import ESCALATED
from bot.services import trials
from bot.services.answers import Answers
from bot.services.container import Services
from bot.services.trials import Trial
from bot.web.guard import Call
from bot.web.render import label, labels
from knowledge.preference import Asker
from knowledge.risk import Context, RuleSet
from knowledge.risk.assess import assess
from knowledge.risk.variants import scratch

MAX_TEXT = 100_000
MOST_REMOVED, MOST_SKIPPED = 20, 50


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person put in; nothing is checked yet.

    Args:
        stage: A to F, or nothing where nobody knows.
        who: parent, grandparent or teacher, or nothing.
        entry: the id of an entry whose place is wanted, or nothing.
    """

    text: str = ""
    stage: str = ""
    who: str = ""
    entry: str = ""

    @classmethod
    def of(cls, form: Mapping[str, str]) -> "Asked":
        """Read the form."""
        return cls(
            text=form.get("text", ""),
            stage=form.get("stage", ""),
            who=form.get("who", ""),
            entry=form.get("entry", "").strip(),
        )

    @property
    def problem(self) -> str:
        """Return the code of what is wrong with it, or nothing."""
        if not self.text.strip():
            return "empty"
        if len(self.text) > MAX_TEXT:
            return "too_long"
        known = self.stage in ("", *labels()["stage"]) and self.who in ("", *labels()["asker"])
        return "" if known else "choice"


async def try_form(call: Call) -> Response:
    """Show the empty form."""
    return page(call, Asked())


async def try_text(call: Call) -> Response:
    """Search for a text and explain what was found."""
    asked, answers = Asked.of(call.form), call.services.answers
    if asked.problem:
        return page(call, asked, problem=asked.problem)
    if not isinstance(answers, Answers):  # the pages run without a search, for tools and tests
        return page(call, asked, problem="no_search")
    if asked.entry and asked.entry not in answers.handbook.entries:
        return page(call, asked, problem="no_entry")
    return page(call, asked, await _tried(call, asked))


async def _tried(call: Call, asked: Asked) -> Trial:
    danger = await asyncio.to_thread(_dangerous, asked.text, call.services.screen.rules)
    return await trials.run(
        cast(Services, call.services),  # the pages are handed the same bundle, seen more narrowly
        asked.text,
        asker=Asker(asked.stage, asked.who),
        wanted=asked.entry or None,
        danger=danger,
    )


def _dangerous(text: str, rules: RuleSet | None) -> bool:
    """Say whether a message of these words would go to people; the rules don't remember them."""
    if rules is None:  # then every message does
        return True
    return assess(text, Context(), scratch(rules)).level.value in ESCALATED


def page(call: Call, asked: Asked, trial: Trial | None = None, *, problem: str = "") -> Response:
    """Show the form with what was put in, and the result if there is one.

    Args:
        problem: code of what is wrong with what was put in.
    """
    answers = call.services.answers
    return call.page(
        "editor_try.html",
        status=InputInvalid.status if problem else 200,
        asked=asked,
        trial=trial,
        problem=label("try_problem", problem) if problem else "",
        stages=tuple(labels()["stage"]),
        askers=tuple(labels()["asker"]),
        skipped=answers.retriever.synonyms.problems if isinstance(answers, Answers) else (),
        max_text=MAX_TEXT,
        most_removed=MOST_REMOVED,
        most_skipped=MOST_SKIPPED,
    )
