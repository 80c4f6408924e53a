"""A case's form as pages and prints show it: fields with their answers in words.

Called by the pages of forms, the panels of a case's page, and the prints.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.db.models import Case, CaseForm
from bot.db.models.file import DRAFT
from bot.services import cssrs, form_definitions, form_fields, forms
from bot.services.cssrs import Screening
from bot.services.form_fields import Field
from bot.web.render import labels


@dataclass(frozen=True, slots=True)
class Shown:
    """One form with its addenda.

    Args:
        rows: each field with its answer in words, empty where there is none.
        screening: what the six questions advise; only of that form.
    """

    id: int
    case_id: int
    kind: str
    title: str
    state: str
    author: str
    made_at: datetime
    signed_at: datetime | None
    amends_id: int | None
    rows: tuple[tuple[Field, str], ...]
    screening: Screening | None
    addenda: tuple["Shown", ...] = ()

    @property
    def draft(self) -> bool:
        """Say whether it can still be changed."""
        return self.state == DRAFT


def answer_words() -> Mapping[str, str]:
    """Return the words of `yes`, `no` and `unknown`."""
    return labels()["form_answer"]


def title_of(form: CaseForm) -> str:
    """Return what a form is called."""
    titles = form_definitions.titles()
    own = titles.get(form.kind, form.kind)
    return f"{titles[form_definitions.ADDENDUM]}·{own}" if form.amends_id is not None else own


def shown(form: CaseForm, case: Case, names: Mapping[int, str]) -> Shown:
    """Return a form as it is shown."""
    words = answer_words()
    fields = forms.fields_of(form)
    rows = tuple(
        (field, form_fields.shown(field, form.answers.get(field.key, ""), words))
        for field in fields
    )
    return Shown(
        id=form.id,
        case_id=form.case_id,
        kind=form.kind,
        title=title_of(form),
        state=form.state,
        author=names.get(form.author_id, ""),
        made_at=form.made_at,
        signed_at=form.signed_at,
        amends_id=form.amends_id,
        rows=rows,
        screening=screening(form, case),
    )


def screening(form: CaseForm, case: Case) -> Screening | None:
    """Return what the answers to the six questions advise, once one is there."""
    if form.kind != "cssrs" or form.amends_id is not None:
        return None
    if not set(cssrs.QUESTIONS) & set(form.answers):
        return None
    return cssrs.screen(form.answers, minor=case.subject != "self" or case.speaker == "minor")


def together(found: Sequence[CaseForm], case: Case, names: Mapping[int, str]) -> tuple[Shown, ...]:
    """Return the forms of a case, each with its addenda."""
    every = [shown(form, case, names) for form in found]
    below: dict[int, list[Shown]] = {}
    for one in every:
        if one.amends_id is not None:
            below.setdefault(one.amends_id, []).append(one)
    return tuple(
        replace(one, addenda=tuple(below.get(one.id, ()))) for one in every if one.amends_id is None
    )
