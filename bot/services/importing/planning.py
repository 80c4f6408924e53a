"""Decide what one row means for a school: a new child, a change, nothing, or a row to be left out.

The same for the dry run and for the import itself (`checking`, `applying`).
"""

from dataclasses import dataclass, field, replace

from bot.db.models import Guardian, Place, Staff
from bot.db.models.person import LEFT
from bot.services.importing.duplicates import one_child
from bot.services.importing.rows import ASK_CODES, SAME, Carer, Parsed, state_of
from bot.services.importing.spelling import near
from bot.services.importing.world import Kid, Tied, World
from bot.services.people import normalise_name


@dataclass
class CarerPlan:
    """What becomes of one guardian of a row.

    Args:
        guardian: None: to be added.
        tied: None: to be tied to the child.
        phone: a phone to be put in; empty: none.
        relation: a relation to be put in; empty: none.
    """

    carer: Carer
    guardian: Guardian | None = None
    tied: Tied | None = None
    phone: str = ""
    relation: str = ""
    again: bool = False


@dataclass
class Plan:
    """What becomes of one row; with a wrong one nothing is done.

    Args:
        staff: the account that a teacher's id may be put into.
    """

    row: Parsed
    place: Place | None = None
    kid: Kid | None = None
    carers: list[CarerPlan] = field(default_factory=list)
    staff: Staff | None = None

    @property
    def state(self) -> str:
        """Return the row's state after the check."""
        state = state_of(self.row.codes)
        nothing = not {code.partition(":")[0] for code in self.row.codes} & _DOING
        return SAME if state == "ready" and nothing else state


_DOING = frozenset(
    {
        "adds_child",
        "adds_guardian",
        "adds_tie",
        "moves",
        "comes_back",
        "number_added",
        "phone_added",
        "phone_changed",
        "relation_changed",
        "linked",
        "teacher_match",
    }
)


def decide(row: Parsed, world: World) -> Plan:
    """Return what is to be done for a row that is right in itself."""
    if row.wrong:
        return Plan(row)
    if row.teacher:
        return _teacher(row, world)
    place, code = world.class_of(row)
    if place is None:
        return Plan(row.told(code))
    kid, code = _kid(row, place, world)
    if code and code not in ASK_CODES:
        return Plan(row.told(code))
    row = row.told(code) if code else row
    plan = Plan(row, place, kid)
    codes = _of_child(row, place, kid)
    for carer in row.carers:
        one, said = _carer(carer, kid, world)
        plan.carers.append(one)
        codes += said
    plan.row = replace(row, codes=tuple(dict.fromkeys((*row.codes, *codes))))
    return plan


def _teacher(row: Parsed, world: World) -> Plan:
    """Return whether a teacher of the directory has an account of the school; none is made."""
    if row.external_id in world.staff_ids:
        return Plan(row.told("teacher_known"))
    named = world.staff.get(row.plain_name, [])
    if len(named) != 1:
        return Plan(row.told("teacher_two" if named else "teacher_unknown"))
    if named[0].external_id:
        return Plan(row.told("teacher_taken"))
    return Plan(row.told("teacher_match"), staff=named[0])


def _kid(row: Parsed, place: Place, world: World) -> tuple[Kid | None, str]:
    """Return the child that a row means, or a code when that can't be said."""
    if row.external_id and row.external_id in world.external:
        return world.external[row.external_id], ""
    if row.student_no and (kid := world.numbers.get(row.student_no)):
        if kid.plain_name == row.plain_name:
            return kid, ""
        alike = near(kid.plain_name, row.plain_name)
        return None, "number_spelling_stored" if alike else "number_other"
    namesakes = [one for one in world.names.get(row.plain_name, ()) if _may_be(row, one)]
    classmates = [one for one in namesakes if one.child.place_id == place.id]
    relations = {carer.relation for carer in row.carers}
    sharing = [one for one in classmates if row.phones & one.phones]
    for one in sharing or classmates:
        if one_child(row.phones, one.phones, relations, {t.relation for t in one.open}):
            return one, ""
    if classmates:
        return None, "same_name_stored"
    elsewhere = [one for one in namesakes if row.phones & one.phones]
    if elsewhere:
        return elsewhere[0], ""
    for phone in sorted(row.phones):
        for one in world.phones.get(phone, ()):
            if _may_be(row, one) and near(one.plain_name, row.plain_name):
                return None, "two_spellings_stored"
    return None, ""


def _may_be(row: Parsed, kid: Kid) -> bool:
    """Say whether student numbers leave it open; two different ones are two children."""
    known = kid.child.external_id and row.external_id and kid.child.external_id != row.external_id
    return not known and not (row.student_no and kid.child.student_no)


def _of_child(row: Parsed, place: Place, kid: Kid | None) -> list[str]:
    if kid is None:
        again = any(code.startswith("again") for code in row.codes)
        return [] if again else ["adds_child"]
    codes = []
    if kid.child.state == LEFT:
        codes.append("comes_back")
    elif kid.child.place_id != place.id:
        codes.append("moves")
    if row.student_no and not kid.child.student_no:
        codes.append("number_added")
    if row.external_id and not kid.child.external_id:
        codes.append("linked")
    return codes


def _carer(carer: Carer, kid: Kid | None, world: World) -> tuple[CarerPlan, list[str]]:
    tied = _tied(carer, kid) if kid else None
    if tied is None:
        guardian = _known(carer, world)
        return CarerPlan(carer, guardian), ["adds_tie" if guardian else "adds_guardian"]
    plan = CarerPlan(carer, tied.guardian, tied)
    if tied.blocked:
        return plan, ["blocked"]
    codes: list[str] = []
    plan.again = tied.held is not None and tied.held.ended_at is not None
    if plan.again:
        codes.append("adds_tie")
    if carer.phone and carer.phone != tied.guardian.phone:
        if tied.guardian.phone is None:
            plan.phone, code = carer.phone, "phone_added"
        elif tied.guardian.id in world.elsewhere:
            code = "phone_kept"
        else:
            plan.phone, code = carer.phone, "phone_changed"
        codes.append(code)
    if carer.relation not in (tied.relation, "O"):
        plan.relation = carer.relation
        codes.append("relation_changed")
    if carer.external_id and not tied.guardian.external_id:
        codes.append("linked")
    return plan, codes


def _tied(carer: Carer, kid: Kid) -> Tied | None:
    """Return the child's guardian that a row means: by the platform's id, the name, the phone."""
    name = normalise_name(carer.name)
    named = [one for one in kid.tied if normalise_name(one.guardian.name) == name]
    exact = [one for one in named if one.guardian.phone == (carer.phone or None)]
    listed = [
        one
        for one in kid.tied
        if carer.external_id and one.guardian.external_id == carer.external_id
    ]
    same_phone = [
        one
        for one in kid.open
        if carer.phone and one.guardian.phone == carer.phone and one.relation == carer.relation
    ]
    found = listed or exact or named or same_phone
    return found[0] if found else None


def _known(carer: Carer, world: World) -> Guardian | None:
    """Return somebody of the district who is that guardian: same phone and same name."""
    if carer.external_id and carer.external_id in world.known:
        return world.known[carer.external_id]
    name = normalise_name(carer.name)
    for guardian in world.owners.get(carer.phone, ()) if carer.phone else ():
        if normalise_name(guardian.name) == name:
            return guardian
    return None
