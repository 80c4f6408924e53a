"""A house with an address, a mother bound to her child, and the browser on her phone.

For the tests of what stands behind 「我的数据」.
"""

import re

import httpx2
from factories import SCENE
from house import PARENT, Home, Houses

from bot.services import bindings, people

SITE = "https://xinqing.example.cn"
OTHER = "oParent0002"
CHILD, OTHER_CHILD = "钱多多", "孙小可"


async def make_site(houses: Houses) -> Home:
    """Make a house with an address, and a mother bound to her child."""
    home = await houses.make(public_url=SITE)
    await home.driver.follow(PARENT, SCENE)
    await home.house.handover.flush()
    await home.work()
    await bind(home, PARENT, CHILD, "13900000001")
    return home


async def bind(home: Home, parent: str, child: str, phone: str) -> None:
    """Give a parent a child in the class."""
    ring, now = home.house.services.ring, home.clock.now()
    contact = await home.contact(parent)
    async with home.write() as session:
        row = await people.add_child(
            session, place_id=home.place.class_.id, name=child, now=now, ring=ring
        )
        guardian = await people.add_guardian(
            session, name="钱妈妈", phone=phone, now=now, ring=ring
        )
        await people.tie(session, guardian, row, "M", now)
        contact = await session.merge(contact)
        await bindings.bind(session, contact, guardian, way="phone", now=now)


class Phone:
    """A browser of a parent's."""

    def __init__(self, home: Home) -> None:
        self.client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(home.app),
            base_url="http://127.0.0.1",
            headers={"Accept": "text/html"},
        )

    async def get(self, path: str) -> httpx2.Response:
        """Fetch a page."""
        return await self.client.get(path, follow_redirects=True)

    async def post(self, path: str, **fields: str) -> httpx2.Response:
        """Send a form with the token of the page before."""
        page = await self.client.get("/login")
        csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert csrf is not None
        return await self.client.post(
            path, data={"csrf": csrf.group(1), **fields}, follow_redirects=True
        )


async def ask(home: Home, parent: str = PARENT) -> str:
    """Ask for the page in chat and return its path."""
    answer = await home.say("我的数据", parent=parent)
    found = re.search(rf"{SITE}(/p/\S+)", answer)
    assert found is not None, answer
    return found.group(1)


async def opened(home: Home, phone: Phone) -> str:
    """Ask for the page, open it, and return its path."""
    path = await ask(home)
    await phone.post(f"{path}/open")
    return path
