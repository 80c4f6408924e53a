"""「我的数据」: the link, and the browser that opens it."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from factories import SCENE
from house import DANGER, Home, Houses
from parents_world import CHILD, OTHER, OTHER_CHILD, SITE, Phone, ask, bind, make_site, opened

from bot.db.models import (
    Consent,
    Link,
)
from bot.services import links
from bot.services.dossier import dossier


@pytest.fixture
async def site(houses: Houses) -> Home:
    """A house with an address, and a mother bound to her child."""
    return await make_site(houses)


@pytest.fixture
async def phone(site: Home) -> AsyncIterator[Phone]:
    """The mother's browser."""
    made = Phone(site)
    yield made
    await made.client.aclose()


async def test_looking_shows_nothing_and_the_tap_opens(site: Home, phone: Phone) -> None:
    path = await ask(site)
    first = await phone.get(path)
    assert "打开我的页面" in first.text
    assert CHILD not in first.text
    page = await phone.post(f"{path}/open")
    assert CHILD in page.text
    assert "139****01" in page.text
    assert "13900000001" not in page.text
    assert page.headers["x-robots-tag"] == "noindex, nofollow"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"


async def test_the_cookie_is_for_this_link_only(site: Home, phone: Phone) -> None:
    path = await ask(site)
    page = await phone.client.get("/login")
    csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert csrf is not None
    answer = await phone.client.post(f"{path}/open", data={"csrf": csrf.group(1)})
    (cookie,) = [one for one in answer.headers.get_list("set-cookie") if "xinqing_device" in one]
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert f"Path={path}" in cookie


async def test_a_messengers_prefetch_does_not_steal_it(site: Home, phone: Phone) -> None:
    path = await ask(site)
    robot = Phone(site)
    for _ in range(3):
        assert "打开我的页面" in (await robot.get(path)).text
    assert CHILD in (await phone.post(f"{path}/open")).text
    await robot.client.aclose()


async def test_a_second_device_is_told_how_to_get_its_own(site: Home, phone: Phone) -> None:
    path = await opened(site, phone)
    second = Phone(site)
    for answer in (await second.get(path), await second.post(f"{path}/open")):
        assert answer.status_code == 403
        assert "另一台设备上打开过" in answer.text
        assert "我的数据" in answer.text
        assert CHILD not in answer.text
    for part in ("export.json", "export.html", "delete"):
        assert (await second.get(f"{path}/{part}")).status_code == 403
    await second.client.aclose()


async def test_another_contacts_browser_gets_nothing(site: Home, phone: Phone) -> None:
    mine = await opened(site, phone)
    await site.driver.follow(OTHER, SCENE)
    await bind(site, OTHER, OTHER_CHILD, "13900000007")
    stranger = Phone(site)
    theirs = await ask(site, OTHER)
    page = await stranger.post(f"{theirs}/open")
    assert OTHER_CHILD in page.text
    assert CHILD not in page.text
    assert (await stranger.get(mine)).status_code == 403
    # A child of somebody else can't be named in a form either.
    answer = await stranger.post(f"{theirs}/consent", kind="school", child="1", give="yes")
    assert answer.status_code == 404
    assert await site.rows(Consent) == []
    await stranger.client.aclose()


async def test_it_ends_after_a_day_and_a_new_one_ends_the_old(site: Home, phone: Phone) -> None:
    old = await opened(site, phone)
    new = await ask(site)
    assert (await phone.get(old)).status_code == 404
    assert CHILD in (await phone.post(f"{new}/open")).text
    site.clock.advance(seconds=links.MINE_VALID.total_seconds())
    answer = await phone.get(new)
    assert answer.status_code == 404
    assert "这个链接已失效" in answer.text


async def test_a_link_for_something_else_opens_no_data(site: Home, phone: Phone) -> None:
    contact, services = await site.contact(), site.house.services
    async with site.write() as session:
        token = await links.make(
            session,
            services.ring,
            purpose="notice",
            contact_id=contact.id,
            now=site.clock.now(),
            length=timedelta(hours=1),
        )
    await phone.post(f"/p/{token}/open")
    assert (await phone.get(f"/p/{token}/export.json")).status_code == 404
    assert CHILD not in (await phone.get(f"/p/{token}")).text


async def test_nothing_of_a_person_stands_in_the_address(site: Home) -> None:
    path = await ask(site)
    (link,) = await site.rows(Link)
    token = path.removeprefix("/p/")
    assert len(token) == 43
    assert token not in repr(vars(link))


async def test_the_desk_is_not_shown_the_address(site: Home) -> None:
    token = (await ask(site)).rpartition("/")[2]
    await site.say(DANGER)
    async with site.house.services.database.read() as session:
        shown = await dossier(
            session, site.place.as_counselor, await site.case(), now=site.clock.now()
        )
    words = "".join(part for line in shown.lines for part, _ in line.parts)
    assert f"{SITE}/p/…" in words
    assert token not in words


async def test_without_an_address_the_chat_says_how(home: Home) -> None:
    answer = await home.say("我的数据")
    assert "还没有开通网页" in answer
    assert "/p/" not in answer
    assert await home.rows(Link) == []
