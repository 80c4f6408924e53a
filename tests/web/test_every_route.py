"""Every route of the table, visited by nobody, by each role, and by each role of another school.

What is expected is made from the table of access and the table of rights; what exists is made by
`samples.py`. A new route is visited from the moment it stands in the table.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pytest
from desk_world import World
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from samples import FORMS, OUT_OF_REACH, SAMPLES
from samples_base import MARK
from starlette.applications import Starlette
from visiting import Answer, visit

from bot.core.rights import table
from bot.db.models import Login, Staff
from bot.db.models.staff import ROLES
from bot.services import passwords, places, staff
from bot.web.access import Access
from bot.web.guard import FORM_COOKIE, FORM_PURPOSE, LOGIN_COOKIE
from bot.web.routes import PAGES
from bot.web.table import TABLE

PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
# For each role a place of school A and one of another school, or of another district.
HOMES = {
    "counselor": ("school_a", "school_b"),
    "lead": ("school_a", "school_b"),
    "district": ("district", "other_district"),
    "teacher": ("class_a", "class_b"),
    "editor": ("district", "other_district"),
    "admin": ("school_a", "school_b"),
    "bureau": ("district", "other_district"),
    "committee": ("school_a", "school_b"),
    "department": ("school_a", "school_b"),
}


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2 with its least cost."""
    quick = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
    monkeypatch.setattr(passwords, "_argon2", quick)
    monkeypatch.setattr(passwords, "_nobody", lambda: quick.hash("nobody"))


@dataclass
class Visitor:
    """Somebody with one role at one place, or nobody."""

    world: World
    role: str | None
    here: bool
    token: str = ""

    @property
    def name(self) -> str:
        """Return who this is, for a message."""
        return f"{self.role} {'of' if self.here else 'outside'} school A" if self.role else "nobody"

    def cookies(self) -> dict[str, str]:
        """Return what the browser sends along."""
        login = {LOGIN_COOKIE: self.token} if self.token else {}
        return {FORM_COOKIE: "nonce", **login}

    def csrf(self, access: Access) -> str:
        """Return the token that the form of a page would carry."""
        if self.token and not access.anyone:
            return f"csrf-{self.token}"
        return self.world.services.ring.sign("nonce", purpose=FORM_PURPOSE)


async def _visitor(world: World, role: str, *, here: bool) -> Visitor:
    made = Visitor(world, role, here, token=f"{role}-{'here' if here else 'there'}")
    async with world.services.database.write() as session:
        if "other_district" not in world.places:
            world.places["other_district"] = await places.add(
                session, kind="district", name="邻区", parent=None
            )
        home = world.places[HOMES[role][0 if here else 1]]
        person = Staff(
            login=made.token,
            name="来访的人",
            password_hash=passwords._nobody(),
            must_change_password=False,
            created_at=world.now,
        )
        session.add(person)
        await session.flush()
        await staff.grant(session, staff_id=person.id, place_id=home.id, role=role)
        session.add(
            Login(
                staff_id=person.id,
                token_hash=world.services.ring.fingerprint(made.token, purpose="login.token"),
                csrf=f"csrf-{made.token}",
                created_at=world.now,
                seen_at=world.now,
                expires_at=world.now + timedelta(hours=12),
            )
        )
    return made


def _routes() -> Iterator[tuple[str, str, Access]]:
    """Yield every route for which there are samples; signing out comes last."""
    lines = sorted(TABLE.items(), key=lambda line: line[0][1] == "/logout")
    for (method, path), access in lines:
        if set(_parameters(method, path)) <= set(SAMPLES):
            yield method, path, access


def _problem(visitor: Visitor, method: str, path: str, access: Access, answer: Answer) -> str:
    """Return what is wrong with an answer, empty when it is as the tables say."""
    sent_away = answer.status == 401 or answer.location.startswith("/login?next=")
    if access.anyone:
        return "" if answer.status not in (403, 405, 500) else "anyone may call it"
    if visitor.role is None:
        return "" if sent_away else "nobody may call it without a login"
    if MARK in answer.text and not (visitor.here and _in_role(visitor, access)):
        return "it shows what only school A may see"
    if not _in_role(visitor, access):
        return "" if answer.status == 403 else f"{access.action} is not for this role"
    own = [one for one in _parameters(method, path) if not SAMPLES[one].shared]
    reached = visitor.here and visitor.role not in OUT_OF_REACH.get((method, path), {})
    if own and not reached:
        return "" if answer.status in (403, 404) else "this object is out of reach"
    # An empty form may be refused for what is in it, never for who sends it.
    # A page of one's own account says the same of a wrong password or code.
    sent_away = sent_away and not (answer.status == 401 and access.action == "account.own")
    allowed = answer.status not in (403, 404, 405, 500) and not sent_away
    return "" if allowed else f"{access.action} is for this role"


def _in_role(visitor: Visitor, access: Access) -> bool:
    return not access.roles or visitor.role in access.roles


async def _make(world: World, name: str, made: dict[str, int | str]) -> int | str:
    sample = SAMPLES[name]
    if sample.of:
        if sample.of not in made:
            made[sample.of] = await _make(world, sample.of, made)
        made[f"{name} of"] = made[sample.of]
    return await (sample.make(world, made[sample.of]) if sample.of else sample.make(world))


def _parameters(method: str, path: str) -> list[str]:
    """Return what stands in the path and in the form of a route."""
    form = FORMS.get((method, path), {})
    return PARAMETER.findall(" ".join((path, *form.values())))


async def _fill(
    visitor: Visitor, method: str, path: str, access: Access, made: dict[str, int | str]
) -> tuple[str, dict[str, str]]:
    """Return path and form with objects of school A; one that will be changed is a fresh one."""
    changes = method == "POST" and visitor.here and _in_role(visitor, access)
    for name in dict.fromkeys(_parameters(method, path)):
        # An object goes with what it belongs to, which an earlier visit may have made anew.
        strayed = made.get(f"{name} of") != made.get(SAMPLES[name].of)
        if strayed or (changes and not SAMPLES[name].shared):
            made[name] = await _make(visitor.world, name, made)
    form = FORMS.get((method, path), {})
    fill = partial(PARAMETER.sub, lambda found: str(made[found.group(1)]))
    return fill(path), {field: fill(value) for field, value in form.items()}


def test_every_parameter_has_a_sample() -> None:
    """What can't be visited has not been tested."""
    missing = {
        name: f"{method} {path}"
        for method, path in TABLE
        for name in _parameters(method, path)
        if name not in SAMPLES
    }
    assert not missing, "".join(
        f"\n{where}: nothing is known about {{{name}}}: add a function that stores one at school A "
        f"to tests/web/samples.py, and its line to SAMPLES"
        for name, where in missing.items()
    )


def test_every_role_has_a_home() -> None:
    assert set(HOMES) == set(ROLES)
    assert {role for right in table().values() for role in right.roles} <= set(ROLES)


def test_table_and_pages_name_the_same_routes() -> None:
    assert set(TABLE) == set(PAGES)


@pytest.mark.parametrize("role", [None, *ROLES])
async def test_every_route_is_for_whom_the_tables_say(
    world: World, app: Starlette, role: str | None
) -> None:
    made: dict[str, int | str] = {}
    for name in SAMPLES:
        made[name] = await _make(world, name, made)
    if role is None:
        visitors = [Visitor(world, None, here=False)]
    else:
        # Whoever is outside comes first: what they try must have changed nothing.
        visitors = [await _visitor(world, role, here=here) for here in (False, True)]
    problems = []
    for method, path, access in _routes():
        for visitor in visitors:
            where, fields = await _fill(visitor, method, path, access, made)
            form = fields | {"csrf": visitor.csrf(access)} if method == "POST" else {}
            answer = await visit(app, method, where, cookies=visitor.cookies(), form=form)
            if problem := _problem(visitor, method, path, access, answer):
                problems.append(
                    f"{visitor.name}: {method} {path} answers {answer.status} "
                    f"{answer.location}: {problem}"
                )
    assert not problems, "\n" + "\n".join(problems)
