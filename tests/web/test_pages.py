"""Start page, handbook page, simulator, error pages, headers, and the words for codes."""

import re

import pytest
from desk_world import Browser, World
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bot.core.crisis import FAMILIES, SPEAKERS
from bot.core.levels import LEVELS
from bot.core.messages import Kind
from bot.db.models.staff import ROLES
from bot.services.cases import CLOSE_REASONS
from bot.web.headers import CSP, HEADERS, STATIC
from bot.web.render import labels
from bot.web.simulator import cast

TEMPLATES = STATIC.parent / "templates"


async def test_the_start_page_says_that_it_is_a_demonstration(browser: Browser) -> None:
    page = await browser().get("/")
    assert page.status_code == 200
    assert "演示环境" in page.text
    assert 'href="/simulator"' in page.text


async def test_an_entry_shows_state_sources_and_version(browser: Browser) -> None:
    page = (await browser().get("/handbook/T06-01")).text
    assert "待专业复核" in page
    assert "依据" in page
    assert "第1版" in page
    assert 'href="tel:' in page
    assert not re.search(r"\{\d+\}", page)
    assert (await browser().get("/handbook/T99-99")).status_code == 404


@pytest.mark.parametrize("path", ["/", "/login", "/simulator", "/nothing", "/static/own/desk.js"])
async def test_every_answer_carries_the_security_headers(browser: Browser, path: str) -> None:
    response = await browser().get(path)
    for name, value in HEADERS.items():
        assert response.headers[name.lower()] == value, name
    assert response.headers["content-security-policy"] == CSP
    wanted = "public, max-age=86400" if "static" in path else "no-store"
    assert response.headers["cache-control"] == wanted


def test_the_policy_is_the_one_that_was_tried() -> None:
    assert CSP == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )


def test_templates_escape_and_hold_no_inline_code() -> None:
    for template in TEMPLATES.rglob("*"):
        text = template.read_text("utf-8")
        assert template.suffix == ".html"
        assert "|safe" not in text
        assert not re.search(r"\son[a-z]+=|\sstyle=|<style|<script(?! src)|hx-on|js:", text), (
            template
        )


def test_htmx_is_not_deferred() -> None:
    """A deferred htmx starts by a timer that can fire before the deferred stream extension runs.

    Then the desk never connects and a new case shows up only with the 20-second poll; it happened
    in 4 of 60 page loads under load.
    """
    for template in TEMPLATES.glob("*.html"):
        for script in re.findall(r"<script[^>]*>", template.read_text("utf-8")):
            assert "vendor/" not in script or "defer" not in script, template.name


async def test_unknown_pages_and_failures_are_plain_chinese(
    app: Starlette, browser: Browser
) -> None:
    missing = await browser().get("/nothing")
    assert missing.status_code == 404
    assert "没有找到这一页" in missing.text

    async def broken(_request: Request) -> Response:
        raise RuntimeError("家长写的话")

    app.router.routes.insert(0, Route("/broken", broken))
    client = browser()
    client._transport.raise_app_exceptions = False  # type: ignore[attr-defined]
    response = await client.get("/broken")
    assert response.status_code == 500
    assert "系统出了点问题" in response.text
    assert "Traceback" not in response.text
    assert "家长写的话" not in response.text


async def test_a_form_that_is_too_long_is_refused(browser: Browser, world: World) -> None:
    case_id = await world.add_case("one", place="school_a")
    fields = {"csrf": world.csrf["counselor"], "text": "长" * 30_000}
    response = await browser("counselor").post(f"/desk/cases/{case_id}/write", data=fields)
    assert response.status_code == 413


async def _token(client: object) -> str:
    page = await client.get("/simulator")  # type: ignore[attr-defined]
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found
    return found.group(1)


async def test_the_simulator_speaks_as_a_parent(world: World, browser: Browser) -> None:
    client = browser()
    fields = {"csrf": await _token(client), "thread": "demo-mother"}
    reply = await client.post("/simulator/say", data={**fields, "text": " 孩子写作业慢 "})
    assert reply.json() == {"reply": "收到:孩子写作业慢"}
    assert (await client.post("/simulator/follow", data=fields)).json()["reply"]
    sent = await client.post("/simulator/send", data={**fields, "kind": "voice"})
    assert sent.json() == {"reply": None}
    assert world.services.simulator is not None
    assert world.services.simulator.said == [
        ("demo-mother", "孩子写作业慢"),
        ("demo-mother", "follow:demo-class-302"),
        ("demo-mother", "kind:voice"),
    ]
    assert "个案 1 等级 3!" in (await client.get("/simulator/alerts")).text


async def test_the_simulator_speaks_in_dingtalk(world: World, browser: Browser) -> None:
    client = browser()
    alone = {"csrf": await _token(client), "thread": "demo-ding-teacher"}
    group = alone | {"thread": "demo-ding-group", "author": "demo-ding-father"}
    sent = {"reply": None, "held": False}
    for path, fields in (
        ("say", alone | {"text": "在吗"}),
        ("say", group | {"text": "有作业吗"}),
        ("send", alone | {"kind": "image"}),
        ("again", group),
        ("exhaust", alone),
    ):
        assert (await client.post(f"/simulator/{path}", data=fields)).json() == sent, path
    assert world.services.simulator is not None
    assert world.services.simulator.said == [
        ("demo-ding-teacher", "在吗", ""),
        ("demo-ding-father", "有作业吗", "demo-ding-group"),
        ("demo-ding-teacher", "kind:image"),
        ("demo-ding-father", "again", "demo-ding-group"),
        ("demo-ding-teacher", "exhaust", ""),
    ]
    nobodys = group | {"author": "demo-ding-mother"}
    assert (await client.post("/simulator/again", data=nobodys)).status_code == 404


async def test_a_broken_stream_is_said_in_plain_chinese(world: World, browser: Browser) -> None:
    client = browser()
    fields = {"csrf": await _token(client), "thread": "demo-ding-mother"}
    assert "已连接" in (await client.get("/simulator/stream")).text
    cut = await client.post("/simulator/disconnect", data=fields)
    assert cut.json() == {"reply": None, "held": True}
    assert "Stream 未连接，正在重连" in (await client.get("/simulator/stream")).text
    assert "Stream 未连接，正在重连" in (await client.get("/simulator")).text


async def test_without_a_robot_the_simulator_says_that_there_is_wechat_only(
    world: World, browser: Browser
) -> None:
    client = browser()
    assert world.services.simulator is not None
    world.services.simulator.dingtalk = None
    page = await client.get("/simulator")
    assert "没有演示用的钉钉机器人" in page.text
    assert "demo-mother" in page.text
    assert "demo-ding-mother" not in page.text
    fields = {"csrf": await _token(client), "thread": "demo-ding-mother", "text": "在吗"}
    assert (await client.post("/simulator/say", data=fields)).status_code == 404
    assert (await client.get("/simulator/stream")).text.strip() == ""


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("say", {"thread": "demo-mother", "text": ""}),
        ("say", {"thread": "somebody", "text": "在吗"}),
        ("say", {"thread": "demo-ding-group", "text": "在吗"}),
        ("say", {"thread": "demo-ding-group", "author": "demo-ding-teacher", "text": "在吗"}),
        ("send", {"thread": "demo-mother", "kind": "video"}),
        ("send", {"thread": "demo-ding-mother", "kind": "sticker"}),
        ("send", {"thread": "demo-ding-group", "author": "demo-ding-mother", "kind": "voice"}),
        ("follow", {"thread": ""}),
        ("follow", {"thread": "demo-ding-mother"}),
        ("again", {"thread": "demo-mother"}),
        ("exhaust", {"thread": "demo-mother"}),
    ],
)
async def test_the_simulator_refuses_what_it_does_not_know(
    browser: Browser, path: str, fields: dict[str, str]
) -> None:
    client = browser()
    data = {"csrf": await _token(client), **fields}
    assert (await client.post(f"/simulator/{path}", data=data)).status_code == 422
    data["csrf"] = "x"
    assert (await client.post(f"/simulator/{path}", data=data)).status_code == 403


async def test_the_simulators_page_names_people_and_sentences(browser: Browser) -> None:
    page = (await browser().get("/simulator")).text
    threads = cast().threads
    assert all(thread.name in page for thread in threads.values())
    assert all(example.text in page for example in cast().examples)
    assert any(not thread.scene for thread in threads.values() if thread.platform == "wechat")
    for group in (thread for thread in threads.values() if thread.members):
        assert {threads[key].platform for key in group.members} == {group.platform}
        assert len(group.members) >= 2


@pytest.mark.parametrize(
    ("group", "codes"),
    [
        ("level", LEVELS),
        ("level_word", LEVELS),
        ("family", FAMILIES),
        ("speaker", SPEAKERS),
        ("subject", ("self", "child", "other", "unknown")),
        ("close_reason", CLOSE_REASONS),
        ("role", ROLES),
        ("delivery", ("queued", "sending", "accepted", "failed", "unreachable")),
        ("state", ("open", "accepted", "closed")),
        ("kind", tuple(kind.value for kind in Kind)),
    ],
)
def test_no_code_is_shown_to_a_counselor_in_english(group: str, codes: tuple[str, ...]) -> None:
    assert set(codes) <= set(labels()[group])
