"""What a case's page shows of its file: people told, means and consent, forms, attachments.

The panels of `bot.web.case_panels`. What they post to stands in `case_files` and `case_forms`.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from bot.core import kin
from bot.core.clock import to_shanghai
from bot.core.levels import ESCALATED
from bot.db.models import Case, CaseForm
from bot.db.models.file import SIGNED
from bot.services import (
    attachments,
    consents,
    desk,
    file_types,
    form_definitions,
    forms,
    sharing,
    told,
)
from bot.web import form_words
from bot.web.guard import Call

# Forms that say whether means are within reach, newest first.
_MEANS = "risk"


async def load_told(session: AsyncSession, call: Call, case: Case) -> Mapping[str, object]:
    """Read who was told, who may be, and what may be passed on."""
    rows = await told.of_case(session, case.id)
    names = await desk.staff_names(session, {row.staff_id for row in rows})
    found = await forms.of_case(session, case.id)
    return {
        "rows": rows,
        "names": names,
        "people": await told.guardians(session, case),
        "relation": kin.relation_word,
        "who": told.WHO,
        "ways": told.WAYS,
        "barred": case.guardians_barred,
        "now": to_shanghai(call.services.clock.now()).strftime("%Y-%m-%dT%H:%M"),
        "means": _means(found),
        "consents": await _consents(session, case),
        "without_consent": case.level in ESCALATED,
    }


def _means(found: Sequence[CaseForm]) -> CaseForm | None:
    """Return the newest signed form that says how things stand with the means."""
    return next((one for one in found if one.kind == _MEANS and one.state == SIGNED), None)


async def _consents(session: AsyncSession, case: Case) -> Mapping[str, str]:
    """Return for each consent whether it stands, was refused or taken back, or never asked."""
    standing = await consents.in_force(session, case.contact_id)
    found: dict[str, str] = {}
    for kind in consents.KINDS:
        gone = await sharing.withdrawn(session, case.contact_id, kind)
        found[kind] = "given" if kind in standing else "withdrawn" if gone else "none"
    return found


async def load_forms(session: AsyncSession, call: Call, case: Case) -> Mapping[str, object]:
    """Read the forms of a case."""
    found = await forms.of_case(session, case.id)
    names = await desk.staff_names(session, {form.author_id for form in found})
    return {
        "forms": form_words.together(found, case, names),
        "states": await forms.states(session, case.id),
        "kinds": form_definitions.FORMS,
        "titles": form_definitions.titles(),
    }


async def load_attachments(session: AsyncSession, call: Call, case: Case) -> Mapping[str, object]:
    """Read the files of a case, without their content."""
    rows = await attachments.of_case(session, case.id)
    return {
        "rows": rows,
        "names": await desk.staff_names(session, {row.staff_id for row in rows}),
        "here": sum(row.removed_at is None for row in rows),
        "most": attachments.MOST,
        "accept": ",".join(f".{ending}" for ending in file_types.ENDINGS),
    }
