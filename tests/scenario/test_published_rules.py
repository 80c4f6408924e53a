"""Rules published by one process judge in every other one; a broken set is never in force."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest
from factories import SCENE
from house import DANGER, PARENT, Home, Houses
from rule_world import CABBAGE, RULE, draft, edited, published
from sqlalchemy import update

from bot import upkeep
from bot.db.models import Alarm, AuditEntry, RuleSet
from bot.services import rulesets
from bot.services.rule_files import packaged_version
from bot.upkeep import follow_published, look_for_published


@pytest.fixture
async def pair(houses: Houses) -> tuple[Home, Home]:
    """Two houses on one database, and a parent."""
    one, two = await houses.make(), await houses.make()
    await two.driver.follow(PARENT, SCENE)
    return one, two


async def until(condition: Callable[[], bool]) -> None:
    """Let tasks run until something is so."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  # a database has no events
            await asyncio.sleep(0.01)


def version(home: Home) -> str:
    """Return the version by which a house judges."""
    assert home.screen.rules is not None
    return home.screen.rules.version


async def test_what_one_publishes_judges_in_the_other(pair: tuple[Home, Home]) -> None:
    one, two = pair
    await two.say(CABBAGE)
    assert await two.cases() == []
    row = await published(one, await edited(one, await draft(one)))
    assert version(two) == packaged_version()
    await look_for_published(two.house)
    assert version(two) == row.version
    await two.say(CABBAGE)
    assert (await two.case()).level == "2"
    before, after = (each.rule_version for each in (await two.assessments())[-2:])
    assert (before, after) == (packaged_version(), row.version)
    assert await two.alarms() == []
    assert [entry.action for entry in await one.rows(AuditEntry)] == [
        "rules.draft_made",
        "rules.saved",
        "rules.published",
    ]


async def follows(home: Home, other: Home) -> None:
    """Have a house follow, and publish in the other one as soon as it does."""
    row = await edited(other, await draft(other))
    following = asyncio.create_task(follow_published(home.house))
    if not home.house.services.database.is_sqlite:
        await until(lambda: home.house.services.database.notices.listening)
    await published(other, row)
    await until(lambda: version(home) == row.version)
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following


async def test_without_a_notice_they_are_found_by_looking(
    pair: tuple[Home, Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "PUBLISHED_SECONDS", 0.05)

    async def lost(*_: object) -> None:
        """Lose every notice."""

    monkeypatch.setattr("bot.services.rulesets.notify", lost)
    await follows(pair[1], pair[0])


@pytest.mark.postgresql(reason="LISTEN and NOTIFY")
async def test_a_notice_brings_them_at_once(
    pair: tuple[Home, Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "PUBLISHED_SECONDS", 3600.0)
    await follows(pair[1], pair[0])


async def test_a_process_that_starts_later_judges_by_them_from_its_first_message(
    pair: tuple[Home, Home], houses: Houses
) -> None:
    row = await published(pair[0], await edited(pair[0], await draft(pair[0])))
    later = await houses.make()
    assert version(later) == row.version


async def test_a_broken_draft_is_never_in_force(pair: tuple[Home, Home]) -> None:
    one, two = pair
    broken = await edited(one, await draft(one), more="\n[[rule]]\nid = ")
    assert broken.version == ""
    assert broken.problem is not None
    with pytest.raises(rulesets.NotFit):
        await published(one, broken)
    with pytest.raises(rulesets.NotFit):
        async with one.write() as session:
            await rulesets.start_shadow(
                session,
                one.place.as_district,
                broken.id,
                row_version=broken.row_version,
                now=one.clock.now(),
            )
    for home in pair:
        await look_for_published(home.house)
        assert version(home) == packaged_version()
    assert await two.alarms() == []


async def test_a_published_set_that_can_no_longer_be_read_leaves_the_one_before(
    pair: tuple[Home, Home],
) -> None:
    one, two = pair
    row = await published(one, await edited(one, await draft(one)))
    await look_for_published(two.house)
    async with one.write() as session:
        await session.execute(
            update(RuleSet).values(files={"lexicon.toml": "x"}, row_version=RuleSet.row_version + 1)
        )
    for _ in range(3):
        await look_for_published(two.house)
    assert version(two) == row.version
    assert await two.say(DANGER)
    assert await two.alarms() == ["rules_invalid"]
    assert (await two.rows(Alarm))[0].count == 1


async def test_an_alarm_that_could_not_be_written_is_raised_at_the_next_look(
    pair: tuple[Home, Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = pair
    await published(one, await edited(one, await draft(one)))
    async with one.write() as session:
        await session.execute(update(RuleSet).values(files={"lexicon.toml": "x"}))

    async def full(*_: object, **__: object) -> None:
        raise OSError("full")

    with monkeypatch.context() as patched:
        patched.setattr("bot.services.alarms.raise_alarm", full)
        with pytest.raises(OSError, match="full"):
            await look_for_published(two.house)
    assert await two.alarms() == []
    await look_for_published(two.house)
    assert await two.alarms() == ["rules_invalid"]


async def test_back_to_an_earlier_version_and_to_the_packaged_rules(
    pair: tuple[Home, Home],
) -> None:
    one, two = pair
    first = await published(one, await edited(one, await draft(one)))
    more = RULE.replace("own.cabbage", "own.other").replace("青菜", "萝卜")
    second = await published(one, await edited(one, await draft(one), more=RULE + more), first.id)
    database = one.house.services.database
    by = {"now": one.clock.now(), "reason": "回去"}
    who = one.place.as_district
    third = await rulesets.go_back(database, who, first.id, instead_of=second.id, **by)  # type: ignore[arg-type]
    await look_for_published(two.house)
    assert version(two) == first.version == third.version
    last = await rulesets.go_back(database, who, 0, instead_of=third.id, **by)  # type: ignore[arg-type]
    await look_for_published(two.house)
    assert version(two) == packaged_version()
    await two.say(CABBAGE)
    assert await two.cases() == []
    async with database.read() as session:
        shown = await rulesets.overview(session, who)
    assert shown.live is not None
    assert shown.live.id == last.id
    assert len(shown.versions) == 4
