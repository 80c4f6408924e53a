"""A month of stored messages judged again under a draft: counts, memory, stops, crashes, words."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from factories import make_case, make_contact, make_message
from house import WORRY, Home, Houses
from rule_world import CABBAGE, RULE, SELF_HARM, draft, edited, published
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import epoch_ms
from bot.core.errors import Conflict, InputInvalid
from bot.db.models import (
    AuditEntry,
    Contact,
    Job,
    RuleChange,
    RuleReplay,
    RuleSet,
    Staff,
    StaffRole,
)
from bot.jobs.registry import JobRun, SendKind
from bot.services import consents, places, replays, rule_changes, rulesets, staff
from bot.services.replay_batches import read_batch
from bot.services.rule_changes import Texts
from bot.services.screening import Screen
from bot.services.staff import StaffView
from bot.upkeep import look_for_published

CALM = "孩子作业写得慢"


async def seed(home: Home, texts: Sequence[tuple[str, float]], *, openid: str = "") -> Contact:
    """Store messages of one parent, each so many days ago."""
    async with home.write() as session:
        now = home.clock.now()
        contact = await make_contact(session, now=now, place=home.place.class_, openid=openid or "")
        for text, days in sorted(texts, key=lambda pair: -pair[1]):
            await make_message(session, contact, now=now - timedelta(days=days), text=text)
        return contact


async def start(home: Home, row: RuleSet, days: int = 30) -> RuleReplay:
    """Begin a replay as the district's counselor."""
    async with home.write() as session:
        await _grant(session, home)
        return await replays.start(
            session,
            home.place.as_district,
            row.id,
            days=days,
            row_version=row.row_version,
            now=home.clock.now(),
        )


async def _grant(session: AsyncSession, home: Home) -> None:
    """Give the district's counselor the role, which each batch looks for again."""
    held = StaffRole.staff_id == home.place.district_counselor.id
    if await session.scalar(select(StaffRole.id).where(held)) is None:
        person, place = home.place.district_counselor, home.place.district
        await staff.grant(session, staff_id=person.id, place_id=place.id, role="district")


async def state(home: Home) -> RuleReplay:
    """Return the newest replay."""
    return (await home.rows(RuleReplay))[-1]


async def test_a_seeded_month_is_counted_by_way_level_and_category(home: Home) -> None:
    await seed(home, [(CABBAGE, 3), (WORRY, 20), (CALM, 10)])
    await seed(home, [(CABBAGE, 29), (CABBAGE, 31), ("", 1)])
    row = await edited(home, await draft(home))
    row = await edited(home, row, file=SELF_HARM, text="# nothing\n")
    await start(home, row)
    await home.work()
    replay = await state(home)
    assert (replay.state, replay.done, replay.total) == ("finished", 5, 5)
    assert replay.counts == {
        "escalated": 2,
        "released": 1,
        "raised": 2,
        "lowered": 1,
        "levels": {"0>2": 2, "2>0": 1},
        "categories": {
            "DIS": {"raised": 2, "escalated": 2},
            "NSSI": {"lowered": 1, "released": 1},
        },
        "failed": 0,
    }
    assert len(await home.rows(RuleChange, RuleChange.replay_id == replay.id)) == 3
    # Nothing else has happened to anybody.
    assert await home.cases() == []
    assert {each.rule_version for each in await home.assessments()} == {"test"}


async def test_what_was_said_in_the_day_before_counts_and_the_open_case_does_not(
    home: Home,
) -> None:
    contact = await seed(home, [(CABBAGE, 5.5), (CALM, 5), (CALM, 4.4)])
    async with home.write() as session:
        await make_case(session, contact, now=home.clock.now() - timedelta(days=6), level="3")
    await start(home, await edited(home, await draft(home)))
    await home.work()
    messages = [message.id for message in await home.messages()]
    changes = await home.rows(RuleChange)
    assert [change.message_id for change in changes] == messages[:2]
    assert {(change.live_level, change.new_level) for change in changes} == {("0", "2")}


async def test_many_batches_are_a_chain_and_a_batch_done_twice_counts_once(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "BATCH", 2)
    await seed(home, [(CABBAGE, 20 - 3 * n) for n in range(5)])
    replay = await start(home, await edited(home, await draft(home)))
    (job,) = await home.jobs(replays.KIND)
    kind = home.house.worker._registry.get(replays.KIND)
    assert isinstance(kind, SendKind)
    run = JobRun(
        id=job.id,
        kind=job.kind,
        key=job.key,
        payload=job.payload,
        attempts=1,
        lane=job.lane,
        first_queued=home.clock.now(),
        last_attempt=False,
    )
    # A worker that was thought dead ends its batch after another one has done it.
    late = await kind.handler(run)
    await home.work()
    assert late is not None
    async with home.write() as session:
        await late(session)
    done = await state(home)
    assert (done.id, done.state, done.done, done.counts["raised"]) == (
        replay.id,
        "finished",
        5,
        5,
    )
    assert len(await home.rows(RuleChange)) == 5
    assert len(await home.jobs(replays.KIND, "done")) == 3


async def test_a_restarted_service_goes_on_where_it_was(
    home: Home, houses: Houses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "BATCH", 2)
    await seed(home, [(CABBAGE, 20 - 3 * n) for n in range(5)])
    await start(home, await edited(home, await draft(home)))
    async with home.write() as session:
        # A worker that was killed in the middle of the first batch.
        await session.execute(
            update(Job).values(
                state="leased", owner="gone:1:a", lease_until=epoch_ms(home.clock.now()) - 1
            )
        )
    other = await houses.make()
    for _ in range(3):
        await other.wait(minutes=5)
    done = await state(other)
    assert (done.state, done.done, done.counts["raised"]) == ("finished", 5, 5)
    assert len(await home.rows(RuleChange)) == 5


async def test_a_batch_whose_results_can_not_be_kept_ends_it_and_says_so(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "BATCH", 1)
    await seed(home, [(CABBAGE, 20 - 3 * n) for n in range(2)])
    row = await edited(home, await draft(home))
    await start(home, row)

    async def cut(*_: Any) -> None:
        raise OSError("cut")

    with monkeypatch.context() as patched:
        patched.setattr(replays, "_enqueue", cut)
        await home.work()
    assert ((await state(home)).state, (await state(home)).done) == ("failed", 0)
    assert await home.rows(RuleChange) == []
    await start(home, row)
    await home.work()
    assert ((await state(home)).state, (await state(home)).done) == ("finished", 2)


async def test_it_can_be_stopped_and_begun_anew(home: Home) -> None:
    await seed(home, [(CABBAGE, 3)])
    row = await edited(home, await draft(home))
    await start(home, row)
    with pytest.raises(Conflict, match="replay_runs"):
        await start(home, row)
    by, now = home.place.as_district, home.clock.now()
    async with home.write() as session:
        await replays.stop(session, by, row.id, now=now)
    with pytest.raises(Conflict, match="not_running"):
        async with home.write() as session:
            await replays.stop(session, by, row.id, now=now)
    await home.work()
    assert ((await state(home)).state, (await state(home)).done) == ("stopped", 0)
    for _ in range(2):
        await start(home, row)
        await home.work()
    assert [each.state for each in await home.rows(RuleReplay)] == [
        "stopped",
        "finished",
        "finished",
    ]
    assert len(await home.rows(RuleChange)) == 1
    assert [entry.action for entry in await home.rows(AuditEntry)][2:] == [
        "rules.replay_started",
        "rules.replay_stopped",
        "rules.replay_started",
        "rules.replay_started",
    ]


@pytest.mark.parametrize("how", ["role", "account"])
async def test_a_replay_ends_with_the_right_of_whoever_started_it(home: Home, how: str) -> None:
    await seed(home, [(CABBAGE, 3)])
    await start(home, await edited(home, await draft(home)))
    person = home.place.district_counselor
    async with home.write() as session:
        if how == "account":
            (await session.get_one(Staff, person.id)).active = False
        else:
            gone = update(StaffRole).where(StaffRole.staff_id == person.id)
            await session.execute(gone.values(ends_at=home.clock.now()))
    await home.work()
    assert ((await state(home)).state, (await state(home)).done) == ("stopped", 0)
    assert await home.rows(RuleChange) == []


@pytest.mark.parametrize("what", ["draft", "live"])
async def test_rules_that_change_on_the_way_make_it_outdated(home: Home, what: str) -> None:
    await seed(home, [(CABBAGE, 3)])
    row = await edited(home, await draft(home))
    await start(home, row)
    if what == "draft":
        await edited(home, row, more=RULE.replace("青菜", "萝卜"))
    else:
        other = RULE.replace("own.cabbage", "own.other").replace("青菜", "萝卜")
        await published(home, await edited(home, await draft(home), more=other))
        await look_for_published(home.house)
    await home.work()
    assert ((await state(home)).state, (await state(home)).done) == ("outdated", 0)
    assert await home.rows(RuleChange) == []


async def test_a_worker_that_lags_behind_waits_until_it_judges_by_the_same_rules(
    home: Home, houses: Houses
) -> None:
    await seed(home, [(CABBAGE, 3)])
    lagging = await houses.make()
    first = await published(home, await edited(home, await draft(home)))
    await look_for_published(home.house)
    more = RULE + RULE.replace("own.cabbage", "own.other").replace("青菜", "作业")
    row = await edited(home, await draft(home), more=more)
    await start(home, row)
    await lagging.work()
    assert (await state(home)).state == "running"
    await look_for_published(lagging.house)
    await lagging.wait(seconds=3)
    done = await state(home)
    assert (done.state, done.live_version, done.counts["raised"]) == ("finished", first.version, 0)


async def test_rules_that_nobody_can_judge_by_end_it(houses: Houses) -> None:
    class Nothing(Screen):
        """A screen without any rules."""

        def reload(self) -> None:
            """Find none."""

    home = await houses.make(screen=Nothing())
    await seed(home, [(CABBAGE, 3)])
    await start(home, await edited(home, await draft(home)))
    await home.work()
    assert (await state(home)).state == "failed"


async def test_no_messages_no_days_no_broken_draft(home: Home) -> None:
    row = await edited(home, await draft(home))
    for days in (0, 366):
        with pytest.raises(InputInvalid):
            await start(home, row, days)
    await start(home, row)
    await home.work()
    assert ((await state(home)).state, (await state(home)).total) == ("finished", 0)
    broken = await edited(home, row, more="[[rule]]")
    with pytest.raises(rulesets.NotFit):
        await start(home, broken)
    with pytest.raises(rulesets.Stale):
        await start(home, row)


async def viewer(home: Home) -> StaffView:
    """Return the district's counselor as the pages see one."""
    async with home.write() as session:
        person = await session.get_one(Staff, home.place.district_counselor.id)
        await staff.grant(
            session, staff_id=person.id, place_id=home.place.district.id, role="district"
        )
        await session.flush()
        return await staff.view(session, person, home.clock.now())


async def read(home: Home, row: RuleSet, who: StaffView, **more: Any) -> Texts:
    """Read the words that the newest replay found."""
    async with home.write() as session:
        replay = await replays.latest(session, row.id)
        asked: dict[str, Any] = {"way": "", "page": 1, "why": "supervision"} | more
        found = await session.get_one(RuleSet, row.id)
        return await rule_changes.texts(
            session, who, found, replay=replay, now=home.clock.now(), **asked
        )


async def test_words_are_shown_by_page_and_every_page_is_in_the_trail(home: Home) -> None:
    await seed(home, [(f"{CABBAGE}，第{n}天", 28 - n) for n in range(23)])
    await seed(home, [(WORRY, 2)])
    row = await edited(home, await draft(home))
    row = await edited(home, row, file=SELF_HARM, text="# nothing\n")
    await start(home, row)
    await home.work()
    who = await viewer(home)
    first, second = await read(home, row, who), await read(home, row, who, page=2)
    assert (len(first.rows), first.total, first.pages, len(second.rows)) == (20, 24, 2, 4)
    assert not {one.text for one in first.rows} & {one.text for one in second.rows}
    (lost,) = (await read(home, row, who, way="released")).rows
    assert (lost.text, lost.live, lost.new, lost.gained) == (WORRY, "2", "0", ())
    assert lost.lost
    assert (await read(home, row, who, way="escalated", page=99)).page == 2
    trail = await home.rows(AuditEntry, AuditEntry.action == "rules.texts_read")
    assert [entry.data["count"] for entry in trail] == [20, 4, 1, 3]
    assert {entry.data["why"] for entry in trail} == {"supervision"}
    assert trail[0].staff_id == home.place.district_counselor.id
    with pytest.raises(InputInvalid):
        await read(home, row, who, why="")


async def test_another_district_s_words_are_not_shown(home: Home) -> None:
    async with home.write() as session:
        far = await places.add(session, kind="district", name="远山区", parent=None)
        school = await places.add(session, kind="school", name="远山一小", parent=far)
        now = home.clock.now()
        contact = await make_contact(session, now=now, place=school)
        await make_message(session, contact, now=now, text=CABBAGE)
        nowhere = await make_contact(session, now=now)
        await make_message(session, nowhere, now=now, text=f"{CABBAGE}呢")
    row = await edited(home, await draft(home))
    await start(home, row)
    await home.work()
    assert (await state(home)).counts["raised"] == 2
    shown = await read(home, row, await viewer(home))
    assert [one.text for one in shown.rows] == [f"{CABBAGE}呢"]


async def test_erased_words_leave_no_row_also_when_they_go_while_it_runs(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await seed(home, [(CABBAGE, 3)])
    two = await seed(home, [(CABBAGE, 2)])
    row = await edited(home, await draft(home))
    await start(home, row)

    async with home.write() as session:
        # Read before, judged and written after: as a batch does that began a moment earlier.
        replay = await session.get_one(RuleReplay, 1)
        batch = await read_batch(session, replay, replays.BATCH)
        await consents.erase(session, one.id, now=home.clock.now())

    async def before(*_: Any) -> Any:
        return batch

    monkeypatch.setattr(replays, "read_batch", before)
    await home.work()
    (left,) = await home.rows(RuleChange)
    assert (await state(home)).counts["raised"] == 1
    async with home.write() as session:
        await consents.erase(session, two.id, now=home.clock.now())
    assert await home.rows(RuleChange) == []
    assert left.message_id == (await home.messages())[1].id
