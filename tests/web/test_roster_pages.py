"""The roster's pages: shifts by hand and by patterns, absences, swaps, gaps, the phone list."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from desk_world import Browser, World
from roster_world import MONDAY, PHONE, all_of, give_phone, pattern_form, post, shift_form
from sqlalchemy import func, select

from bot.db.models import Absence, Alarm, AuditEntry, Job, Shift, ShiftPattern
from bot.services import alarms, roster, roster_watch, shift_patterns


async def test_an_empty_roster_says_so_loudly(browser: Browser) -> None:
    page = (await browser("lead").get("/desk/roster")).text
    assert "现在没有人值班" in page
    assert "七天内有1段没有人值班" in page
    assert "晴川一小" in page


async def test_a_shift_by_hand_stands_on_its_day(world: World, browser: Browser) -> None:
    await give_phone(world, "counselor")
    lead = browser("lead")
    answer = await post(world, lead, "lead", "/desk/roster/shifts", **shift_form(world))
    assert answer.status_code == 303
    page = (await lead.get(answer.headers["location"])).text
    assert "排好了" in page
    assert "08:00–18:00" in page
    assert "按无人值班算" not in re.sub(r"<p class=\"hint\">.*?</p>", "", page)
    (shift,) = await all_of(world, Shift)
    assert shift.starts_at == datetime(2026, 11, 23, tzinfo=UTC)
    assert shift.wakes


async def test_a_night_shift_ends_the_next_morning(world: World, browser: Browser) -> None:
    form = shift_form(world, start="22:00", end="06:00")
    answer = await post(world, browser("lead"), "lead", "/desk/roster/shifts", **form)
    assert "22:00–次日06:00" in (await browser("lead").get(answer.headers["location"])).text


async def test_nobody_to_be_woken_counts_as_nobody(world: World, browser: Browser) -> None:
    lead = browser("lead")
    await post(world, lead, "lead", "/desk/roster/shifts", **shift_form(world))
    page = (await lead.get(f"/desk/roster?day={MONDAY}")).text
    assert "这个班没有能叫醒人的方式，按无人值班算" in page
    await post(
        world,
        lead,
        "lead",
        "/desk/roster/phones",
        staff=str(world.staff["counselor"].id),
        place=str(world.places["school_a"].id),
        phone=PHONE,
    )
    page = (await lead.get(f"/desk/roster?day={MONDAY}")).text
    assert "这个班没有能叫醒人的方式" not in page
    assert PHONE not in page


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"start": ""}, "请填开始和结束时间"),
        ({"start": "25:00"}, "请填开始和结束时间"),
        ({"day": "2026-02-30"}, "请填日期"),
        ({"day": "2026-11-20"}, "结束时间已经过去了"),
        ({"day": "2028-11-20"}, "最多排到400天以后"),
        ({"staff": ""}, "请选一位能接本处个案的老师"),
        ({"staff": "other"}, "请选一位能接本处个案的老师"),
    ],
)
async def test_what_is_no_shift_is_explained_and_kept(
    world: World, browser: Browser, change: dict[str, str], words: str
) -> None:
    form = shift_form(world) | change
    if form["staff"] == "other":
        form["staff"] = str(world.staff["other_counselor"].id)
    answer = await post(world, browser("lead"), "lead", "/desk/roster/shifts", **form)
    assert answer.status_code == 422
    assert words in answer.text
    assert f'value="{form["end"]}"' in answer.text
    assert await all_of(world, Shift) == []


async def test_nobody_is_on_duty_twice_at_once(world: World, browser: Browser) -> None:
    lead = browser("lead")
    await post(world, lead, "lead", "/desk/roster/shifts", **shift_form(world))
    again = await post(
        world, lead, "lead", "/desk/roster/shifts", **shift_form(world, start="17:00", end="20:00")
    )
    assert again.status_code == 409
    assert "已经有班了" in again.text
    after = await post(
        world, lead, "lead", "/desk/roster/shifts", **shift_form(world, start="18:00", end="20:00")
    )
    assert after.status_code == 303


async def test_who_changes_what_another_has_changed_is_told(world: World, browser: Browser) -> None:
    lead = browser("lead")
    await post(world, lead, "lead", "/desk/roster/shifts", **shift_form(world))
    (shift,) = await all_of(world, Shift)
    path = f"/desk/roster/shifts/{shift.id}"
    found = re.search(r'name="seen" value="([^"]+)"', (await lead.get(path)).text)
    assert found
    form = shift_form(world, "second_counselor", seen=found[1])
    assert (await post(world, lead, "lead", f"{path}/change", **form)).status_code == 303
    late = await post(world, lead, "lead", f"{path}/change", **form | {"end": "12:00"})
    assert late.status_code == 409
    assert "刚才有别人改过了" in late.text
    assert (await post(world, lead, "lead", f"{path}/remove", seen=found[1])).status_code == 409
    (shift,) = await all_of(world, Shift)
    assert shift.staff_id == world.staff["second_counselor"].id


async def test_another_school_has_no_such_roster(world: World, browser: Browser) -> None:
    lead = browser("lead")
    await post(world, lead, "lead", "/desk/roster/shifts", **shift_form(world))
    (shift,) = await all_of(world, Shift)
    other = browser("other_lead")
    place = world.places["school_a"].id
    for path in (
        f"/desk/roster?place={place}",
        f"/desk/roster/phones?place={place}",
        f"/desk/roster/shifts/{shift.id}",
        f"/desk/roster/patterns?place={place}",
    ):
        assert (await other.get(path)).status_code == 404, path
    form = shift_form(world, seen="x")
    for path in ("/desk/roster/shifts", f"/desk/roster/shifts/{shift.id}/remove"):
        answer = await post(world, other, "other_lead", path, **form)
        assert answer.status_code == 404


async def test_a_pattern_is_written_ahead_at_once(world: World, browser: Browser) -> None:
    lead = browser("lead")
    form = pattern_form(world, start="08:00", end="12:00", start2="14:00", end2="18:00")
    answer = await post(world, lead, "lead", "/desk/roster/patterns", **form)
    assert answer.status_code == 303
    page = (await lead.get(answer.headers["location"])).text
    assert "往后35天" in page
    assert page.count('<li class="case" id="pattern-') == 2
    shifts = await all_of(world, Shift)
    assert len(shifts) == 2 * 25, "five weeks of five working days, in two parts"


async def test_a_changed_pattern_leaves_alone_what_people_changed(
    world: World, browser: Browser
) -> None:
    lead = browser("lead")
    await post(world, lead, "lead", "/desk/roster/patterns", **pattern_form(world))
    (pattern,) = await all_of(world, ShiftPattern)
    shifts = await all_of(world, Shift)
    given, gone = shifts[0], shifts[1]
    async with world.services.database.write() as session:
        row = await session.get_one(Shift, given.id)
        row.staff_id = world.staff["second_counselor"].id
        await session.delete(await session.get_one(Shift, gone.id))
    form = pattern_form(world, start="09:00", end="17:00", version=str(pattern.row_version))
    path = f"/desk/roster/patterns/{pattern.id}"
    assert (await post(world, lead, "lead", f"{path}/change", **form)).status_code == 303
    now = await all_of(world, Shift)
    assert len(now) == len(shifts) - 1
    kept = next(one for one in now if one.id == given.id)
    assert kept.staff_id == world.staff["second_counselor"].id
    assert not [one for one in now if one.starts_at.date() == gone.starts_at.date()]
    rest = [one for one in now if one.id != given.id]
    assert {(one.ends_at - one.starts_at) for one in rest} == {timedelta(hours=8)}
    late = await post(world, lead, "lead", f"{path}/change", **form)
    assert (late.status_code, "刚才有别人改过了" in late.text) == (409, True)


async def test_an_ended_pattern_takes_its_future_shifts_along(
    world: World, browser: Browser
) -> None:
    lead = browser("lead")
    await post(world, lead, "lead", "/desk/roster/patterns", **pattern_form(world))
    (pattern,) = await all_of(world, ShiftPattern)
    answer = await post(world, lead, "lead", f"/desk/roster/patterns/{pattern.id}/end", version="1")
    assert answer.status_code == 303
    assert await all_of(world, Shift) == []
    assert "还没有规律" in (await lead.get(answer.headers["location"])).text
    async with world.services.database.write() as session:
        assert await shift_patterns.write_all(session, world.now) == 0


async def test_a_pattern_that_clashes_writes_nothing(world: World, browser: Browser) -> None:
    lead = browser("lead")
    form = shift_form(world, day="2026-11-25")
    await post(world, lead, "lead", "/desk/roster/shifts", **form)
    answer = await post(world, lead, "lead", "/desk/roster/patterns", **pattern_form(world))
    assert answer.status_code == 409
    assert "2026-11-25" in answer.text
    assert len(await all_of(world, Shift)) == 1
    assert await all_of(world, ShiftPattern) == []


async def test_the_night_goes_on_writing_each_day_once(world: World, browser: Browser) -> None:
    await post(
        world, browser("lead"), "lead", "/desk/roster/patterns", **pattern_form(world, d6="1")
    )
    before = len(await all_of(world, Shift))
    for _ in range(2):
        async with world.services.database.write() as session:
            assert await shift_patterns.write_all(session, world.now) == 0
    world.services.clock.advance(days=7)
    async with world.services.database.write() as session:
        assert await shift_patterns.write_all(session, world.now) in (5, 6)
    shifts = await all_of(world, Shift)
    assert len({one.starts_at for one in shifts}) == len(shifts) > before


async def test_absent_people_cover_nothing(world: World, browser: Browser) -> None:
    await give_phone(world, "counselor")
    await post(world, browser("lead"), "lead", "/desk/roster/shifts", **shift_form(world))
    school = world.places["school_a"]
    noon = datetime(2026, 11, 23, 4, tzinfo=UTC)
    async with world.services.database.read() as session:
        assert await roster.covered(session, school, noon)
    counselor = browser("counselor")
    form = {
        "kind": "sick",
        "from_day": MONDAY,
        "from_time": "10:00",
        "until_day": MONDAY,
        "until_time": "14:00",
    }
    for _ in range(2):
        answer = await post(world, counselor, "counselor", "/desk/roster/absences", **form)
        assert answer.status_code == 303
    (absence,) = await all_of(world, Absence)
    async with world.services.database.read() as session:
        assert not await roster.covered(session, school, noon)
        assert not await roster.on_duty(session, world.staff["counselor"].id, noon)
        assert await roster.covered(session, school, noon - timedelta(hours=3))
        gaps = await roster.gaps(session, school, now=world.now)
        waiting = await session.scalar(select(func.count(Job.id)).where(Job.kind == "roster.watch"))
    assert len(gaps) == 3
    assert waiting == 1
    page = (await counselor.get("/desk/roster/mine")).text
    assert "病假" in page
    assert "请假，不算值班" in (await counselor.get(f"/desk/roster?day={MONDAY}")).text
    done = await post(world, counselor, "counselor", f"/desk/roster/absences/{absence.id}/end")
    assert done.status_code == 303
    async with world.services.database.read() as session:
        assert await roster.covered(session, school, noon)


async def test_a_lead_puts_in_an_absence_only_for_their_own_people(
    world: World, browser: Browser
) -> None:
    form = {"kind": "leave", "from_day": MONDAY, "until_day": MONDAY}
    mine = await post(
        world,
        browser("lead"),
        "lead",
        "/desk/roster/absences/for",
        staff=str(world.staff["counselor"].id),
        place=str(world.places["school_a"].id),
        **form,
    )
    assert mine.status_code == 303
    other = await post(
        world,
        browser("lead"),
        "lead",
        "/desk/roster/absences/for",
        staff=str(world.staff["other_counselor"].id),
        **form,
    )
    assert other.status_code == 404


async def test_the_phone_list_is_logged_and_holds_the_numbers(
    world: World, browser: Browser
) -> None:
    await give_phone(world, "counselor")
    form = shift_form(world, day="2026-11-22", start="23:00", end="07:00")
    await post(world, browser("lead"), "lead", "/desk/roster/shifts", **form)
    page = (await browser("second_counselor").get("/desk/roster/phones")).text
    assert f"tel:{PHONE}" in page
    assert "counselor老师" in page
    async with world.services.database.read() as session:
        entry = await session.scalar(
            select(AuditEntry).where(AuditEntry.action == "roster.phones_read")
        )
    assert entry is not None
    assert entry.staff_id == world.staff["second_counselor"].id
    assert PHONE not in str(entry.data)


async def test_ones_own_number_is_changed_by_oneself(world: World, browser: Browser) -> None:
    client = browser("counselor")
    assert "没有能叫醒人的方式" in (await client.get("/desk/roster/mine")).text
    bad = await post(world, client, "counselor", "/desk/roster/mine/phone", phone="打我电话")
    assert bad.status_code == 422
    assert "不像一个电话号码" in bad.text
    good = await post(world, client, "counselor", "/desk/roster/mine/phone", phone=PHONE)
    assert PHONE not in good.headers["location"]
    assert PHONE in (await client.get("/desk/roster/mine")).text


async def test_a_gap_of_the_coming_week_is_an_alarm(world: World, browser: Browser) -> None:
    async with world.services.database.write() as session:
        found = await roster_watch.watch(session, None, now=world.now)
    assert [gap.place.id for gap in found] == [world.places["district"].id]
    async with world.services.database.read() as session:
        (alarm,) = await alarms.open_alarms(session)
    assert (alarm.kind, alarm.key) == ("roster_gap", f"roster_gap:{world.places['district'].id}")
    assert "值班表七天内有没人值班的时候" in (await browser("admin").get("/admin")).text
    await give_phone(world, "district")
    form = {f"d{n}": "1" for n in range(1, 8)} | {
        "place": str(world.places["district"].id),
        "staff": str(world.staff["district"].id),
        "holidays": "1",
        "makeup": "1",
        "start": "00:00",
        "end": "00:00",
        "first_day": "2026-11-22",
    }
    made = await post(world, browser("district"), "district", "/desk/roster/patterns", **form)
    assert made.status_code == 303
    async with world.services.database.write() as session:
        assert await roster_watch.watch(session, None, now=world.now) == []
        assert (await session.scalars(select(Alarm))).all()


async def test_the_month_shows_every_day(browser: Browser) -> None:
    page = (await browser("counselor").get("/desk/roster?view=month&day=2026-10-05")).text
    assert "2026年10月" in page
    assert len(re.findall(r'<li class="roster-day', page)) == 31
    assert "放假" in page
    assert "排一个班" not in page
