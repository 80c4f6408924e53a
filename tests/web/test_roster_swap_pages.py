"""Swaps by the pages: asked, agreed to, approved; the second of two is told."""

from desk_world import Browser, World
from roster_world import all_of, give_phone, post, shift_form

from bot.db.models import Shift, ShiftSwap


async def _asked(world: World, browser: Browser) -> ShiftSwap:
    await give_phone(world, "counselor", "second_counselor")
    await post(world, browser("lead"), "lead", "/desk/roster/shifts", **shift_form(world))
    (shift,) = await all_of(world, Shift)
    to = str(world.staff["second_counselor"].id)
    for _ in range(2):
        path = f"/desk/roster/shifts/{shift.id}/swap"
        answer = await post(world, browser("counselor"), "counselor", path, staff=to)
        assert answer.headers["location"] == "/desk/roster/mine?done=asked"
    (swap,) = await all_of(world, ShiftSwap)
    assert isinstance(swap, ShiftSwap)
    return swap


async def test_a_swap_goes_through_three_people(world: World, browser: Browser) -> None:
    swap = await _asked(world, browser)
    path = f"/desk/roster/swaps/{swap.id}"
    lead, second = browser("lead"), browser("second_counselor")
    early = await post(world, lead, "lead", f"{path}/approve")
    assert early.status_code == 409
    assert "答应" in (await second.get("/desk/roster/mine")).text
    for _ in range(2):
        answer = await post(world, second, "second_counselor", f"{path}/agree")
        assert answer.status_code == 303
    assert "批准换班" in (await lead.get("/desk/roster")).text
    for _ in range(2):
        assert (await post(world, lead, "lead", f"{path}/approve")).status_code == 303
    (shift,) = await all_of(world, Shift)
    assert shift.staff_id == world.staff["second_counselor"].id
    late = await post(world, second, "second_counselor", f"{path}/refuse")
    assert late.status_code == 409


async def test_a_swap_is_withdrawn_or_refused(world: World, browser: Browser) -> None:
    swap = await _asked(world, browser)
    path = f"/desk/roster/swaps/{swap.id}"
    other = await post(world, browser("second_counselor"), "second_counselor", f"{path}/withdraw")
    assert other.status_code == 404
    done = await post(world, browser("counselor"), "counselor", f"{path}/withdraw")
    assert done.headers["location"].endswith("done=withdrawn")
    agreed = await post(world, browser("second_counselor"), "second_counselor", f"{path}/agree")
    assert agreed.status_code == 409
    (row,) = await all_of(world, ShiftSwap)
    assert row.state == "withdrawn"


async def test_nobody_approves_their_own_swap(world: World, browser: Browser) -> None:
    swap = await _asked(world, browser)
    async with world.services.database.write() as session:
        row = await session.get_one(ShiftSwap, swap.id)
        row.state, row.to_id = "agreed", world.staff["lead"].id
    answer = await post(world, browser("lead"), "lead", f"/desk/roster/swaps/{swap.id}/approve")
    assert answer.status_code == 403
