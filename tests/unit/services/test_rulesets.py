"""Rule sets: who comes second is told, and nothing passes from one state to another by mistake."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
from factories import NIGHT, make_staff
from sqlalchemy import select

from bot.core.errors import Conflict, InputInvalid, NotFound
from bot.db.engine import Database
from bot.db.models import AuditEntry, RuleSet
from bot.services import rule_files, rulesets
from bot.services.rule_files import Checked, Problem
from bot.services.staff import StaffView
from knowledge.risk import Level, default_rules
from knowledge.risk.loading import digest_of
from knowledge.risk.regression import Case

FILES = {"lexicon.toml": "[slots]\n", "own.toml": "# nothing\n"}
BROKEN = "broken"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read files without compiling half a second each time."""

    async def check_files(files: Mapping[str, str], _trusted: Mapping[str, str]) -> Checked:
        if any(BROKEN in text for text in files.values()):
            return Checked(None, Problem("own.toml", 1, "own.rule.level", "not a level"))
        return Checked(default_rules(), None)

    monkeypatch.setattr(rulesets, "check_files", check_files)
    monkeypatch.setattr(rulesets, "packaged", lambda: FILES)
    monkeypatch.setattr(rulesets, "packaged_version", lambda: digest_of(FILES))


class World:
    """A database with one person, and the steps as that person does them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now: datetime = NIGHT
        self.by = StaffView(0, "", "", False, {})

    async def draft(self, name: str = "草稿", source: int = -1) -> RuleSet:
        """Make a draft."""
        self.now += timedelta(minutes=1)
        async with self.database.write() as session:
            return await rulesets.make_draft(
                session, self.by, name=name, note="", now=self.now, source=source
            )

    async def save(self, row: RuleSet, text: str, file: str = "own.toml") -> RuleSet:
        """Save a file."""
        return await rulesets.save(
            self.database,
            self.by,
            row.id,
            file=file,
            text=text,
            row_version=row.row_version,
            now=self.now,
        )

    async def publish(
        self, row: RuleSet, instead_of: int = 0, reason: str = "因为", cases: tuple[Case, ...] = ()
    ) -> RuleSet:
        """Publish."""
        self.now += timedelta(minutes=1)
        return await rulesets.publish(
            self.database,
            self.by,
            row.id,
            row_version=row.row_version,
            instead_of=instead_of,
            reason=reason,
            now=self.now,
            cases=cases,
        )

    async def back(self, rule_set_id: int, instead_of: int, reason: str = "因为") -> RuleSet:
        """Go back."""
        self.now += timedelta(minutes=1)
        return await rulesets.go_back(
            self.database,
            self.by,
            rule_set_id,
            instead_of=instead_of,
            reason=reason,
            now=self.now,
        )

    async def get(self, row: RuleSet) -> RuleSet:
        """Read a row anew."""
        async with self.database.read() as session:
            return await rulesets.get(session, row.id)

    async def overview(self) -> rulesets.Overview:
        """Return all sets."""
        async with self.database.read() as session:
            return await rulesets.overview(session, self.by)


@pytest.fixture
async def world(database: Database) -> World:
    """An empty database with a counselor."""
    made = World(database)
    async with database.write() as session:
        person = await make_staff(session, now=NIGHT)
        made.by = StaffView(person.id, "rules", "林静", False, {"district": frozenset({1})})
    return made


async def test_a_draft_begins_with_what_is_in_force(world: World) -> None:
    row = await world.draft("  方言  ")
    assert (row.name, row.state, row.files, row.row_version) == ("方言", "draft", FILES, 1)
    assert row.version == row.based_on == digest_of(FILES)
    live = await world.publish(await world.save(row, "# one\n"))
    assert (await world.draft()).files["own.toml"] == "# one\n"
    assert (await world.draft()).based_on == live.version
    assert (await world.draft(source=0)).files == FILES
    with pytest.raises(NotFound):
        await world.draft(source=99)


@pytest.mark.parametrize("name", ["", "  ", "长" * 81])
async def test_a_draft_needs_a_name(world: World, name: str) -> None:
    with pytest.raises(InputInvalid) as caught:
        await world.draft(name)
    assert caught.value.field == "name"


async def test_a_file_is_kept_as_it_was_written_also_when_it_is_wrong(world: World) -> None:
    text = f'[[rule]\n  "{BROKEN}"   \n\n'
    row = await world.save(await world.draft(), text)
    stored = await world.get(row)
    assert stored.files == FILES | {"own.toml": text}
    assert (stored.version, stored.row_version) == ("", 2)
    assert stored.problem == {
        "file": "own.toml",
        "line": 1,
        "field": "own.rule.level",
        "what": "not a level",
    }
    mended = await world.get(await world.save(stored, "# good\n"))
    assert (mended.problem, mended.version) == (None, digest_of(mended.files))
    with pytest.raises(NotFound):
        await world.save(mended, "x", file="other.toml")


async def test_the_second_of_two_is_told_and_changes_nothing(world: World) -> None:
    row = await world.draft()
    first = await world.save(row, "# first\n")
    with pytest.raises(rulesets.Stale):
        await world.save(row, "# second\n")
    with pytest.raises(rulesets.Stale):
        await world.publish(row)
    with pytest.raises(rulesets.Stale):
        async with world.database.write() as session:
            await rulesets.discard(session, world.by, row.id, row_version=1, now=world.now)
    stored = await world.get(first)
    assert (stored.files["own.toml"], stored.state) == ("# first\n", "draft")


async def test_a_broken_draft_is_published_by_nobody(world: World) -> None:
    row = await world.save(await world.draft(), BROKEN)
    with pytest.raises(rulesets.NotFit) as caught:
        await world.publish(row)
    assert caught.value.failures == ()
    assert (await world.overview()).live is None


async def test_what_fails_a_case_is_published_by_nobody_and_says_which(world: World) -> None:
    row = await world.draft()
    case = Case("case-7", "今天天气好", least=Level.HIGH)
    with pytest.raises(rulesets.NotFit) as caught:
        await world.publish(row, cases=(case,))
    (failure,) = caught.value.failures
    assert (failure.id, failure.kind, failure.expected, failure.found) == (
        ("case-7", "low", "3", "0")
    )
    assert (await world.get(row)).state == "draft"


async def test_publishing_names_what_it_replaces(world: World) -> None:
    one, two = await world.draft("一"), await world.draft("二")
    await world.save(one, "# one\n")
    first = await world.publish(await world.get(one), reason=" 先发 ")
    assert (first.state, first.reason, first.published_by) == ("live", "先发", world.by.id)
    with pytest.raises(rulesets.Stale):
        await world.publish(two)
    with pytest.raises(InputInvalid):
        await world.publish(two, first.id, reason=" ")
    second = await world.publish(two, first.id)
    shown = await world.overview()
    assert shown.live is not None
    assert shown.live.id == second.id
    assert [row.id for row in shown.versions] == [second.id, first.id]
    assert shown.versions[1].retired_at == second.published_at
    with pytest.raises(Conflict, match="state"):
        await world.save(await world.get(second), "# later\n")


async def test_the_way_back_is_a_version_of_its_own(world: World) -> None:
    row = await world.draft()
    await world.save(row, "# one\n")
    first = await world.publish(await world.get(row))
    with pytest.raises(Conflict, match="in_force"):
        await world.back(first.id, first.id)
    packaged = await world.back(0, first.id, "不好用")
    assert (packaged.files, packaged.version) == ({}, digest_of(FILES))
    with pytest.raises(Conflict, match="in_force"):
        await world.back(0, packaged.id)
    with pytest.raises(rulesets.Stale):
        await world.back(first.id, first.id)
    again = await world.back(first.id, packaged.id)
    assert again.files == (await world.get(first)).files
    other = await world.draft("没发布过")
    await world.save(other, "# two\n")
    with pytest.raises(Conflict, match="never_published"):
        await world.back(other.id, again.id)
    async with world.database.read() as session:
        trail = (await session.scalars(select(AuditEntry).order_by(AuditEntry.id))).all()
    published = [entry for entry in trail if entry.action == "rules.published"]
    assert [entry.object_id for entry in published] == [first.id, packaged.id, again.id]
    assert [entry.data.get("again") for entry in published] == [None, 0, first.id]


async def test_a_discarded_draft_can_begin_another(world: World) -> None:
    row = await world.save(await world.draft(), f"# kept {BROKEN}\n")
    async with world.database.write() as session:
        await rulesets.discard(session, world.by, row.id, row_version=2, now=world.now)
    shown = await world.overview()
    assert (shown.drafts, shown.versions) == ((), ())
    assert [each.id for each in shown.discarded] == [row.id]
    again = await world.draft(source=row.id)
    assert again.files == row.files
    assert (again.version, again.problem) == ("", row.problem)


async def test_reading_never_raises_on_what_files_hold() -> None:
    nothing: Mapping[str, str] = {}
    found = await rule_files.check_files({"own.toml": "x"}, nothing)
    assert found.problem is not None
    assert (found.problem.file, found.problem.line) == ("own.toml", 1)
    assert (await rule_files.check_files(rule_files.packaged(), nothing)).problem is None
