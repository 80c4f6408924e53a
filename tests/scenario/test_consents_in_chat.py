"""Consent in the chat: who may give one, what a refusal leaves behind, words that have changed."""

from datetime import timedelta

import pytest
from fakes import HOMEWORK
from house import DANGER, Home, Houses
from parents_world import make_site
from sqlalchemy import update

from bot.core.phrases import load_phrases
from bot.db.models import AuditEntry, Child, Consent, Contact, Message
from bot.services import consents, sharing
from bot.services.dossier import dossier


@pytest.fixture
async def site(houses: Houses) -> Home:
    """A house with an address, and a mother bound to her child."""
    return await make_site(houses)


async def rows(home: Home) -> list[tuple[str, int | None, bool, bool]]:
    """Return kind, child, whether it stands, whether it was refused."""
    return [
        (row.kind, row.child_id, row.withdrawn_at is None, row.refused)
        for row in await home.rows(Consent)
    ]


async def may_share(home: Home, kind: str, **more: bool) -> bool:
    async with home.house.services.database.read() as session:
        return await sharing.may_share(session, 1, kind, **more)


async def test_who_is_bound_to_nobody_is_asked_first(staffed: Home) -> None:
    assert "你是孩子的监护人吗" in await staffed.say("同意2")
    assert "由孩子的监护人来给" in await staffed.say("不是")
    assert await rows(staffed) == []
    await staffed.say("同意2")
    assert "你同意了第2项" in await staffed.say("是的")
    assert "你同意了第3项" in await staffed.say("同意3"), "asked once"
    assert await rows(staffed) == [("school", None, True, False), ("district", None, True, False)]


async def test_the_question_does_not_stay_open_for_ever(staffed: Home) -> None:
    await staffed.say("同意1")
    staffed.clock.advance(minutes=31)
    await staffed.say("是")
    assert await rows(staffed) == []
    await staffed.say("同意1")
    assert "手册T06-01" in await staffed.say(HOMEWORK), "a question in between is answered"


async def test_the_child_itself_cannot_consent_here(staffed: Home) -> None:
    async with staffed.write() as session:
        await session.execute(update(Contact).values(who="S"))
    assert "由孩子的监护人来给" in await staffed.say("同意1")
    assert await rows(staffed) == []
    assert "第1项不同意，已记下" in await staffed.say("不同意1"), "to refuse is free"


async def test_a_refusal_is_stored_shown_and_overridden(site: Home) -> None:
    assert "第2项不同意，已记下" in await site.say("不同意2")
    await site.say("不同意2")
    assert await rows(site) == [("school", None, False, True), ("school", 1, False, True)]
    actions = [row.action for row in await site.rows(AuditEntry)]
    assert actions.count("consent.refused") == 2
    async with site.house.services.database.read() as session:
        assert await sharing.withdrawn(session, 1, "school")
    assert not await may_share(site, "school")
    await site.say("同意2")
    async with site.house.services.database.read() as session:
        assert not await sharing.withdrawn(session, 1, "school")
    assert await may_share(site, "school", children=True)


async def test_a_refusal_deletes_nothing(site: Home) -> None:
    await site.say(HOMEWORK)
    await site.say("不同意1")
    assert HOMEWORK in [row.text for row in await site.rows(Message)]


async def test_a_refused_school_is_not_told_of_a_wish(site: Home) -> None:
    await site.say("不同意2")
    await site.say("转人工")
    assert (await site.case()).place_id == site.place.district.id


async def test_what_was_said_for_a_child_counts_for_cases_about_it(site: Home) -> None:
    async with site.write() as session:
        await consents.decline(session, 1, "school", now=site.clock.now(), for_whom=(1,))
    await site.say("转人工")
    assert (await site.case()).place_id == site.place.district.id


async def test_without_the_third_the_district_reads_from_the_wish_on(site: Home) -> None:
    await site.say(HOMEWORK)
    await site.say("不同意2")
    site.clock.advance(minutes=5)
    await site.say("转人工")
    await site.say("老师，您在吗，想说说作业")
    texts = await _read_by_district(site)
    assert HOMEWORK not in texts
    assert "转人工" in texts
    assert "老师，您在吗，想说说作业" in texts
    assert await site.rows(AuditEntry, AuditEntry.action == "consent.exception") == []
    await site.say("同意3")
    assert HOMEWORK in await _read_by_district(site)


async def test_in_danger_the_district_reads_all_and_it_is_recorded(site: Home) -> None:
    await site.say(HOMEWORK)
    await site.say("不同意2")
    await site.say("转人工")
    await site.say(DANGER)
    assert HOMEWORK in await _read_by_district(site)
    (entry,) = await site.rows(AuditEntry, AuditEntry.action == "consent.exception")
    assert entry.data == {"kind": "district", "case": 1, "basis": "life_saving"}


async def test_with_the_third_there_is_no_exception(site: Home) -> None:
    await site.say("同意3")
    await site.say(DANGER)
    assert await site.rows(AuditEntry, AuditEntry.action == "consent.exception") == []


async def _read_by_district(home: Home) -> list[str]:
    case = await home.case()
    async with home.house.services.database.read() as session:
        page = await dossier(session, home.place.as_district, case, now=home.clock.now())
    return ["".join(text for text, _ in line.parts) for line in page.lines]


async def test_a_childs_consent_from_fourteen_on_needs_the_child(site: Home) -> None:
    await site.say("同意3")
    now = site.clock.now()
    for born, passes in ((None, True), ("2016-09", True), ("2010-01", False)):
        async with site.write() as session:
            await session.execute(update(Child).values(born=born))
        async with site.house.services.database.read() as session:
            assert await sharing.may_share_child(session, 1, 1, "district", now=now) is passes


async def test_words_that_have_changed_are_said_and_agreed_to_again(site: Home) -> None:
    async with site.write() as session:
        await consents.give(
            session, 1, ("mental_health", "school"), now=site.clock.now(), version=1
        )
    await site.say("同意")
    await site.wait(seconds=1)
    assert "第1/2项是旧版说明" in site.sent()[-1]
    await site.say("同意2")
    newest = (await site.rows(Consent, Consent.kind == "school", Consent.child_id.is_(None)))[-1]
    assert newest.version == consents.version_of(load_phrases(), "school")
    await site.say("同意")
    await site.wait(seconds=1)
    assert "第1项是旧版说明" in site.sent()[-1]
    site.clock.advance(seconds=1)
    await site.say("撤回2")
    assert not [
        row for row in await site.rows(Consent) if row.kind == "school" and row.withdrawn_at is None
    ]
    withdrawn = await site.rows(AuditEntry, AuditEntry.action == "consent.withdrawn")
    assert [(row.data["kind"], row.data["child"]) for row in withdrawn] == [
        ("school", None),
        ("school", 1),
    ], "one consent in two versions is withdrawn once"


def test_all_four_texts_have_one_version() -> None:
    phrases = load_phrases()
    versions = {consents.version_of(phrases, kind) for kind in consents.KINDS}
    assert versions == {phrases.get("consent.overview").version}


async def test_withdrawing_for_a_child_deletes_the_words_too(site: Home) -> None:
    await site.say(HOMEWORK)
    async with site.write() as session:
        await consents.give(session, 1, ("mental_health",), now=site.clock.now(), child_id=1)
        now = site.clock.now() + timedelta(seconds=1)
        assert await consents.decline(session, 1, "mental_health", now=now, for_whom=(1,))
    assert HOMEWORK not in [row.text for row in await site.rows(Message)]
