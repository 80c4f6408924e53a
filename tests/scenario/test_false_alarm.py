"""A false alarm marked at the desk is agreed to, mends the rules, and no later set may lose it."""

import httpx2
import pytest
from factories import SCENE, make_staff
from house import PARENT, Home
from rule_world import CABBAGE, RULE, draft, edited, published

from bot.db.models import Case, Login, RuleCase, RuleSet, Staff
from bot.services import rulesets, staff
from bot.services.rulesets import PACKAGED_ID
from bot.upkeep import look_for_published
from bot.web.guard import LOGIN_COOKIE


class Desk:
    """Browsers in which people of the district have signed in."""

    def __init__(self, home: Home) -> None:
        self.home = home

    async def browser(self, person: Staff, role: str, place_id: int) -> httpx2.AsyncClient:
        """Give somebody a role and a browser."""
        now, token = self.home.clock.now(), f"token-{person.id}"
        ring = self.home.house.services.ring
        async with self.home.write() as session:
            await staff.grant(session, staff_id=person.id, place_id=place_id, role=role)
            held = await session.get_one(Staff, person.id)
            held.must_change_password = False
            session.add(
                Login(
                    staff_id=person.id,
                    token_hash=ring.fingerprint(token, purpose="login.token"),
                    csrf="csrf",
                    created_at=now,
                    seen_at=now,
                    expires_at=now.replace(year=now.year + 1),
                )
            )
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(self.home.app), base_url="http://127.0.0.1"
        )
        client.cookies.set(LOGIN_COOKIE, token, domain="127.0.0.1")
        return client


async def why(counselor: httpx2.AsyncClient, case: Case) -> None:
    """Say once why the case is looked at, as its page asks."""
    said = {"csrf": "csrf", "reason": "supervision"}
    answer = await counselor.post(f"/desk/cases/{case.id}/reason", data=said)
    assert answer.status_code == 303


@pytest.fixture
async def alarmed(home: Home) -> Home:
    """A house whose published rules fear cabbage, and a parent whose child doesn't eat it."""
    await published(home, await edited(home, await draft(home)))
    await look_for_published(home.house)
    await home.driver.follow(PARENT, SCENE)
    await home.say(CABBAGE)
    assert (await home.case()).level == "2"
    return home


async def test_a_false_alarm_becomes_a_case_that_binds_the_rules(alarmed: Home) -> None:
    desk = Desk(alarmed)
    school = alarmed.place.school.id
    counselor = await desk.browser(alarmed.place.counselor, "counselor", school)
    async with alarmed.write() as session:
        head = await make_staff(session, now=alarmed.clock.now())
    lead = await desk.browser(head, "lead", school)
    case = await alarmed.case()
    await why(counselor, case)

    marked = await counselor.post(
        f"/desk/cases/{case.id}/mark",
        data={"csrf": "csrf", "message": str(case.message_id), "level": "0"},
    )
    assert marked.status_code == 303
    assert "own.cabbage" in (await lead.get("/rules/cases/1")).text
    agreed = await lead.post("/rules/cases/1/agree", data={"csrf": "csrf"})
    assert agreed.status_code == 303
    # The machine's judgement stands until a person closes the case.
    assert ((await alarmed.case()).level, (await alarmed.case()).state) == ("2", "open")
    assert "已同意的1条，现行规则做对0条" in (await lead.get("/rules/cases?run=1")).text

    # The district goes back to the packaged rules: what was a false alarm no longer is.
    (live,) = await alarmed.rows(RuleSet)
    await rulesets.go_back(
        alarmed.house.services.database,
        alarmed.place.as_district,
        PACKAGED_ID,
        instead_of=live.id,
        reason="青菜误报",
        now=alarmed.clock.now(),
    )
    await look_for_published(alarmed.house)
    assert "已同意的1条，现行规则做对1条" in (await lead.get("/rules/cases?run=1")).text

    # Whoever writes the same rule again is stopped by the case, without reading its words.
    again = await edited(alarmed, await draft(alarmed, "又加一条"), more=RULE)
    person = alarmed.place.district_counselor
    district = await desk.browser(person, "district", alarmed.place.district.id)
    checked = (await district.post(f"/rules/{again.id}/check", data={"csrf": "csrf"})).text
    assert 'href="/rules/cases/1"' in checked
    assert CABBAGE not in checked
    newest = max(row.id for row in await alarmed.rows(RuleSet) if row.state == "live")
    form = {
        "csrf": "csrf",
        "row_version": str(again.row_version),
        "live": str(newest),
        "reason": "试一试",
    }
    refused = await district.post(f"/rules/{again.id}/publish", data=form)
    assert refused.status_code == 409
    assert [row.state for row in await alarmed.rows(RuleCase)] == ["agreed"]
    live_now = [row.id for row in await alarmed.rows(RuleSet) if row.state == "live"]
    assert live_now == [newest]
    for client in (counselor, lead, district):
        await client.aclose()


async def test_what_the_rules_in_force_get_wrong_blocks_nobody(alarmed: Home) -> None:
    """An agreed case is work to be done until the rules in force get it right."""
    desk = Desk(alarmed)
    school = alarmed.place.school.id
    counselor = await desk.browser(alarmed.place.counselor, "counselor", school)
    case = await alarmed.case()
    await why(counselor, case)
    await counselor.post(
        f"/desk/cases/{case.id}/mark",
        data={"csrf": "csrf", "message": str(case.message_id), "level": "0"},
    )
    person = alarmed.place.district_counselor
    district = await desk.browser(person, "district", alarmed.place.district.id)
    await district.post("/rules/cases/1/agree", data={"csrf": "csrf"})
    more = RULE + RULE.replace("cabbage", "radish").replace("青菜", "萝卜糕")
    other = await edited(alarmed, await draft(alarmed, "另一条"), more=more)
    checked = (await district.post(f"/rules/{other.id}/check", data={"csrf": "csrf"})).text
    assert "case-1" not in checked
    assert 'id="failures"' not in checked
    for client in (counselor, district):
        await client.aclose()
