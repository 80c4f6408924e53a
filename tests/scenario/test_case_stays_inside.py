"""What people decide in a case never reaches the parent: not by page, export or message."""

from collections.abc import AsyncIterator

import pytest
from house import DANGER, Home, Houses
from parents_world import Phone, make_site, opened

from bot.db.models import CareTask, Case, Delivery, Report, Told
from bot.services import case_notes, case_people, case_steps, drafts, judging, transfers

SECRET = "只在台里的话"


@pytest.fixture
async def site(houses: Houses) -> Home:
    """A house with an address, and a bound mother."""
    return await make_site(houses)


@pytest.fixture
async def phone(site: Home) -> AsyncIterator[Phone]:
    """The mother's browser."""
    opened_phone = Phone(site)
    yield opened_phone
    await opened_phone.client.aclose()


async def _decide(home: Home) -> None:
    """Do everything that is done in a case, each with words that must stay inside."""
    by, now, policy = home.place.as_counselor, home.clock.now(), home.house.services.policy
    async with home.write() as session:
        case = await session.get_one(Case, (await home.cases())[0].id)
        await case_notes.write(session, by, case, SECRET, now=now)
        await judging.judge(session, policy, by, case, level="3!", reason=SECRET, now=now)
        await judging.bar(session, by, case, barred=True, reason=SECRET, now=now)
        await case_steps.leave_out(session, by, case, step="report", reason=SECRET, now=now)
        await drafts.keep(session, by, f"case:{case.id}:note", SECRET, now=now)
        known = await case_people.of_case(session, by, case)
        child = known.children[0].id
        await case_people.choose_child(session, by, case, child_id=child, now=now)
        session.add_all(
            [
                Told(
                    case_id=case.id,
                    staff_id=by.id,
                    at=now,
                    who="police",
                    name=SECRET,
                    way="phone",
                    words=SECRET,
                    answer=SECRET,
                    reached=True,
                ),
                Report(
                    case_id=case.id,
                    addressee="police",
                    basis="law11",
                    decided_by=by.id,
                    decided_at=now,
                    words=SECRET,
                    number=SECRET,
                    result=SECRET,
                    officer=SECRET,
                ),
                CareTask(
                    case_id=case.id,
                    child_id=child,
                    place_id=case.place_id or 0,
                    made_by=by.id,
                    made_at=now,
                    until=now,
                    do=SECRET,
                    dont=SECRET,
                    answer=SECRET,
                ),
            ]
        )
        await transfers.call_district(session, policy, by, case, note=SECRET, now=now)


async def test_nothing_of_it_is_on_the_page_or_in_the_export(site: Home, phone: Phone) -> None:
    await site.say(DANGER)
    await site.take_case(1)
    await _decide(site)
    await site.work()
    path = await opened(site, phone)
    for part in ("", "/export.json", "/export.html"):
        text = (await phone.get(f"{path}{part}")).text
        assert SECRET not in text
        for word in ("林静", "转交", "判等级", "强制", "举报", "law11", "judged", "barred"):
            assert word not in text, (part, word)


async def test_nothing_of_it_is_sent_to_the_parent(site: Home) -> None:
    await site.say(DANGER)
    await site.take_case(1)
    await site.work()
    contact = await site.contact()
    before = {row.id for row in await site.rows(Delivery, Delivery.contact_id == contact.id)}
    await _decide(site)
    await site.work()
    after = await site.rows(Delivery, Delivery.contact_id == contact.id)
    assert [row.body for row in after if row.id not in before] == []
    posts = [row.body for row in await site.rows(Delivery)]
    assert not any(SECRET in body for body in posts)
