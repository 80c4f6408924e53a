"""A rule set in shadow judges along: what differs is kept, and nobody is told otherwise."""

from typing import Any

import pytest
from house import DANGER, WORRY, Home, Houses
from rule_world import CABBAGE, SELF_HARM, draft, edited

from bot.core.errors import Conflict
from bot.db.models import AuditEntry, Message, RuleChange, RuleSet
from bot.services import consents, rule_changes, rulesets
from bot.services.screening import Shadow
from bot.upkeep import look_for_published

Step = Any


async def shadowed(home: Home, **edit: Any) -> RuleSet:
    """Put a draft into shadow and have the house follow."""
    home.clock.advance(seconds=1)
    row = await edited(home, await draft(home), **edit)
    await step(home, rulesets.start_shadow, row.id, row.row_version)
    await look_for_published(home.house)
    return row


async def step(home: Home, act: Step, rule_set_id: int, row_version: int) -> None:
    """Do one of the steps as the district's counselor."""
    async with home.write() as session:
        await act(
            session,
            home.place.as_district,
            rule_set_id,
            row_version=row_version,
            now=home.clock.now(),
        )


async def counts(home: Home, row: RuleSet) -> tuple[int, dict[str, Any]]:
    """Return how many messages were judged along, and what would have changed."""
    async with home.house.services.database.read() as session:
        return await rule_changes.shadow_counts(session, await rulesets.get(session, row.id))


async def test_a_difference_is_kept_and_nothing_else_happens(staffed: Home) -> None:
    row = await shadowed(staffed)
    await staffed.say(CABBAGE)
    assert await staffed.cases() == []
    assert (await staffed.assessments())[-1].level == "0"
    (change,) = await staffed.rows(RuleChange)
    assert (change.rule_set_id, change.replay_id) == (row.id, None)
    assert (change.live_level, change.new_level) == ("0", "2")
    assert change.message_id == (await staffed.messages())[-1].id
    assert change.rule_ids == {"gained": ["own.cabbage"], "lost": []}
    judged, found = await counts(staffed, row)
    assert (judged, found["escalated"], found["raised"], found["released"]) == (1, 1, 1, 0)
    assert found["levels"] == {"0>2": 1}
    assert found["categories"] == {"DIS": {"raised": 1, "escalated": 1}}


async def test_what_nobody_would_be_told_of_any_more_is_found_too(staffed: Home) -> None:
    row = await shadowed(staffed, file=SELF_HARM, text="# nothing\n")
    await staffed.say(WORRY)
    assert (await staffed.case()).level == "2"
    _, found = await counts(staffed, row)
    assert (found["released"], found["lowered"], found["escalated"]) == (1, 1, 0)


async def test_an_open_case_hides_no_difference(staffed: Home) -> None:
    row = await shadowed(staffed)
    await staffed.say(DANGER)
    staffed.clock.advance(hours=25)
    await staffed.say(CABBAGE)
    assert (await staffed.assessments())[-1].level == "3"
    (change,) = await staffed.rows(RuleChange)
    assert (change.live_level, change.new_level) == ("0", "2")
    assert (await counts(staffed, row))[0] == 2


async def test_a_shadow_that_breaks_changes_nothing_and_is_told_of(
    staffed: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = await shadowed(staffed)
    shadow = staffed.screen.shadow
    assert isinstance(shadow, Shadow)
    # A rule set that has lost its patterns breaks on the first text that would need one.
    monkeypatch.setattr(shadow.rules, "patterns", None)
    monkeypatch.setattr(shadow.rules, "readings", {})
    monkeypatch.setattr(shadow.rules, "literals", None)
    for text in (CABBAGE, DANGER):
        await staffed.say(text)
    assert [each.level for each in await staffed.assessments()][-2:] == ["0", "3"]
    assert [each.failed for each in await staffed.assessments()][-2:] == [False, False]
    assert (await staffed.case()).level == "3"
    assert await staffed.alarms() == ["shadow_failed"]
    assert (await counts(staffed, row))[1]["raised"] == 0


async def test_at_most_one_and_it_can_be_stopped_and_mended(staffed: Home) -> None:
    row = await shadowed(staffed)
    other = await edited(staffed, await draft(staffed))
    with pytest.raises(Conflict, match="shadow_taken"):
        await step(staffed, rulesets.start_shadow, other.id, other.row_version)
    with pytest.raises(Conflict, match="state"):
        await edited(staffed, await _fresh(staffed, row))
    await staffed.say(CABBAGE)
    await step(staffed, rulesets.stop_shadow, row.id, (await _fresh(staffed, row)).row_version)
    await look_for_published(staffed.house)
    assert staffed.screen.shadow is None
    await staffed.say(CABBAGE)
    assert len(await staffed.rows(RuleChange)) == 1
    again = await edited(staffed, await _fresh(staffed, row))
    await step(staffed, rulesets.start_shadow, again.id, again.row_version)
    # What the words before found says nothing about these.
    assert await staffed.rows(RuleChange) == []
    assert [entry.action for entry in await staffed.rows(AuditEntry)][-2:] == [
        "rules.saved",
        "rules.shadow_started",
    ]


async def _fresh(home: Home, row: RuleSet) -> RuleSet:
    async with home.house.services.database.read() as session:
        return await rulesets.get(session, row.id)


async def test_another_process_and_a_later_start_judge_along(staffed: Home, houses: Houses) -> None:
    running = await houses.make()
    row = await shadowed(staffed)
    await look_for_published(running.house)
    later = await houses.make()
    for home in (running, later):
        assert home.screen.shadow is not None
        assert home.screen.shadow.rule_set_id == row.id


async def erase(home: Home) -> None:
    """Erase what may be erased of the parent."""
    contact = await home.contact()
    async with home.write() as session:
        await consents.erase(session, contact.id, now=home.clock.now())


async def test_erasing_removes_what_is_kept_of_a_message(staffed: Home) -> None:
    await shadowed(staffed)
    await staffed.say(CABBAGE)
    await staffed.say(CABBAGE, parent="oOther")
    assert len(await staffed.rows(RuleChange)) == 2
    await erase(staffed)
    (left,) = await staffed.rows(RuleChange)
    (message,) = await staffed.rows(Message, Message.id == left.message_id)
    assert message.contact_id == (await staffed.contact("oOther")).id
    assert message.text == CABBAGE


async def test_what_a_case_rests_on_is_kept_with_its_message(staffed: Home) -> None:
    await shadowed(staffed, file=SELF_HARM, text="# nothing\n")
    await staffed.say(WORRY)
    await erase(staffed)
    (left,) = await staffed.rows(RuleChange)
    assert (await staffed.rows(Message, Message.id == left.message_id))[0].text == WORRY
