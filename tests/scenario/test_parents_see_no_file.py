"""What stands in a case's file is in nothing that a parent opens or takes away, nor in a title."""

import re
from collections.abc import AsyncIterator

import pytest
from file_world import SECRET, fill_file
from house import PARENT, Home, Houses
from parents_world import Phone, make_site, opened
from sqlalchemy import select

from bot.db.models import Case, Child
from bot.web.render import labels

# Words that would tell that something is known, by whomever.
TELLING = (
    "强制报告",
    "报警",
    "110报告",
    "个案",
    "关注任务",
    "虐待",
    "家暴",
    "侵害",
    "演练",
    "复核",
)


@pytest.fixture
async def site(houses: Houses) -> Home:
    """A house where a mother wrote that her child is hit at home."""
    return await make_site(houses)


@pytest.fixture
async def phone(site: Home) -> AsyncIterator[Phone]:
    """The mother's browser; her husband may hold it."""
    made = Phone(site)
    yield made
    await made.client.aclose()


async def _file(site: Home) -> int:
    """Open an abuse case by a sentence of the mother's, and fill its whole file."""
    await site.say("爸爸天天打孩子，身上都是伤", parent=PARENT)
    async with site.write() as session:
        case = (await session.scalars(select(Case))).one()
        child = (await session.scalars(select(Child))).one()
        place, staff = site.place.school, site.place.counselor
        await fill_file(session, case, staff, place, child, at=site.clock.now())
        assert case.guardians_barred, "what may be a guardian's doing is told to no guardian"
        return int(case.id)


async def test_no_page_and_no_export_shows_anything_of_the_file(site: Home, phone: Phone) -> None:
    before = await opened(site, phone)
    plain = await phone.get(before)
    case_id = await _file(site)
    path = await opened(site, phone)
    ends = ("", "/delete", "/export.json", "/export.html")
    pages = [await phone.get(f"{path}{end}") for end in ends]
    for answer in pages:
        assert answer.status_code == 200
        assert SECRET not in answer.text
        assert "天天打" not in answer.text
        assert f"个案{case_id}" not in answer.text
    for word in TELLING:
        assert pages[0].text.count(word) == plain.text.count(word), word


async def test_every_page_is_neutral_and_is_left_at_one_tap(site: Home, phone: Phone) -> None:
    await _file(site)
    path = await opened(site, phone)
    families = set(labels()["family"].values())
    for answer in [await phone.get(path), await phone.get("/p/" + "x" * 43)]:
        title = re.search(r"<title>(.*?)</title>", answer.text)
        assert title is not None
        assert not [word for word in (*TELLING, *families) if word in title.group(1)]
        assert 'id="leave"' in answer.text
        assert "快速离开" in answer.text
        assert "parent.js" in answer.text
