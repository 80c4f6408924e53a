"""A guardian answers a notice on the page behind its link: kept, too long, a danger, withdrawn."""

import re
from collections.abc import AsyncIterator

import httpx2
import pytest
from house import DANGER, Home, Houses
from notice_world import World, make_world, sent

from bot.db.models import Case, Message, Notice, NoticeFeedback
from bot.services import notices

WORDS = "那天孩子请假，路上堵，晚到一会儿"


class Parent:
    """A mother with the link of a notice in her browser."""

    def __init__(self, world: World, notice: Notice, client: httpx2.AsyncClient, path: str) -> None:
        self.world = world
        self.notice = notice
        self.path = path
        self._client = client

    async def look(self) -> str:
        """Return the page as it stands."""
        return (await self._client.get(self.path)).text

    async def write(self, words: str) -> httpx2.Response:
        """Send the field of the page."""
        form = {"csrf": csrf(await self.look()), "words": words}
        return await self._client.post(f"{self.path}/answer", data=form)


def csrf(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    return found.group(1) if found else ""


@pytest.fixture
async def parent(houses: Houses) -> AsyncIterator[Parent]:
    home: Home = await houses.make(public_url="http://us.example")
    world = await make_world(home)
    notice = await sent(world)
    path = re.search(r"http://us\.example(/p/\S+)", world.heard("mum1")[0])
    assert path is not None
    transport = httpx2.ASGITransport(home.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        first = await client.get(path[1])
        await client.post(f"{path[1]}/open", data={"csrf": csrf(first.text)})
        yield Parent(world, notice, client, path[1])


async def kept(parent: Parent) -> list[NoticeFeedback]:
    return await parent.world.home.rows(NoticeFeedback)


async def test_what_is_written_is_kept_shown_and_screened_like_every_message(
    parent: Parent,
) -> None:
    assert "给老师留言" in await parent.look()
    for _ in range(2):
        done = await parent.write(WORDS)
        assert (done.status_code, done.headers["location"]) == (303, f"{parent.path}?done=answered")
    (row,) = await kept(parent)
    assert (row.text, row.notice_id) == (WORDS, parent.notice.id)
    message = next(one for one in await parent.world.home.rows(Message) if one.text == WORDS)
    assert (message.id, message.handler, message.level) == (row.message_id, "page", "0")
    page = await parent.look()
    assert page.count(WORDS) == 1
    assert "你写的" in page
    assert "确认收到" in page, "an answer is no confirmation"


async def test_nothing_and_too_much_are_refused_in_plain_words(parent: Parent) -> None:
    empty = await parent.write("   ")
    assert empty.status_code == 422
    assert "还没有写内容" in empty.text
    words = "很" * 501
    long = await parent.write(words)
    assert long.status_code == 422
    assert "最多500个字，现在501个字" in long.text
    assert words in long.text, "what was typed is not lost"
    assert await kept(parent) == []


@pytest.mark.parametrize("words", [DANGER, DANGER + "，" + "很" * 600])
async def test_a_danger_opens_a_case_shows_the_numbers_and_never_becomes_feedback(
    parent: Parent, words: str
) -> None:
    told = await parent.write(words)
    assert told.status_code == 200
    assert "110" in told.text
    (case,) = await parent.world.home.rows(Case)
    assert case.level == "3"
    later = await parent.write(WORDS)
    assert later.status_code == 403
    assert "没有发给班主任" in later.text
    assert await kept(parent) == []


async def test_a_withdrawn_notice_takes_no_answer(parent: Parent) -> None:
    page = await parent.look()
    home, by = parent.world.home, await parent.world.view()
    async with home.write() as session:
        await notices.withdraw(session, by, parent.notice.id, home.clock.now())
    form = {"csrf": csrf(page), "words": WORDS}
    refused = await parent._client.post(f"{parent.path}/answer", data=form)
    assert refused.status_code == 409
    assert "已经撤回" in refused.text
    assert "给老师留言" not in refused.text
    assert await kept(parent) == []


async def test_a_link_that_another_browser_opened_takes_no_answer(parent: Parent) -> None:
    transport = httpx2.ASGITransport(parent.world.home.app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as other:
        page = await other.get(parent.path)
        form = {"csrf": csrf(page.text), "words": WORDS}
        answer = await other.post(f"{parent.path}/answer", data=form)
    assert answer.status_code in (303, 403, 404, 410)
    assert await kept(parent) == []
