"""The pages of people, imports and staff's ids in a real browser, narrow and wide."""

from collections.abc import AsyncIterator

import pytest
from desk_world import World
from import_world import excel, phone
from playwright.async_api import Browser, BrowserContext, expect
from serving import BROWSER_MARKS, launch, serve, unprovoked, watch
from sqlalchemy import select
from starlette.applications import Starlette

from bot.db.models import Child, ImportBatch
from bot.jobs.registry import JobRun
from bot.services.importing import batches
from bot.services.importing.directory import ListedChild, ListedClass
from bot.services.importing.work import Imports
from bot.web.guard import LOGIN_COOKIE

pytestmark = BROWSER_MARKS
WIDE = "document.documentElement.scrollWidth"
HEADER = ("学号", "姓名", "班级", "家长1姓名", "家长1关系", "家长1电话", "家长4姓名")
ROWS = (
    ("", "晴子涵", "三年级2班", "涵妈妈", "妈妈", phone(1), "涵舅舅"),
    ("", "晴子晗", "三年级2班", "涵妈妈", "妈妈", phone(1), ""),
    ("D2", "", "三年级2班", "云妈妈", "妈妈", phone(2), ""),
    ("D3", "名字长" * 19, "三年级9班", "石妈妈", "妈妈", phone(3), ""),
    ("D4", "石小山", "三年级2班", "石奶奶", "奶奶", "", ""),
)


@pytest.fixture
async def address(app: Starlette) -> AsyncIterator[str]:
    """Where the pages are served."""
    async with serve(app) as base:
        yield base


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """A browser without a window."""
    async with launch() as browser:
        yield browser


async def window(world: World, chromium: Browser, address: str, width: int) -> BrowserContext:
    """Open a window of a width, signed in as the administrator."""
    context = await chromium.new_context(
        base_url=address, viewport={"width": width, "height": 860}, locale="zh-CN"
    )
    cookie = {"name": LOGIN_COOKIE, "value": world.tokens["admin"], "url": address}
    await context.add_cookies([cookie])  # type: ignore[list-item]
    return context


async def work(world: World) -> None:
    """Do what a worker does with every import."""
    services = world.services
    async with services.database.read() as session:
        ids = list(await session.scalars(select(ImportBatch.id)))
    for batch_id in ids:
        await Imports(services.database, services.clock, services.ring).to_the_end(batch_id)


class Listed:
    """A directory with a teacher who has an account and one who has none."""

    async def classes(self) -> AsyncIterator[ListedClass]:
        """Yield one class."""
        mother = (("u-m", "雨妈妈", "M"),)
        teachers = (("t-1", "teacher老师"), ("t-2", "赵老师"))
        yield ListedClass("三年级2班", (ListedChild("u-1", "晴小雨", "D9", mother),), teachers)


async def directory(world: World) -> int:
    """Store and check what a directory says; return the batch's id."""
    services = world.services
    async with services.database.write() as session:
        batch = ImportBatch(
            kind=batches.DINGTALK,
            place_id=world.places["school_a"].id,
            name="school1",
            counts={},
            created_at=world.now,
        )
        session.add(batch)
    imports = Imports(services.database, services.clock, services.ring, {"school1": Listed()})
    payload: dict[str, object] = {"batch": batch.id, "robot": "school1"}
    done = await imports.fetch(JobRun(1, batches.FETCH, "k", payload, 1, "main", world.now, False))
    assert done is not None
    async with services.database.write() as session:
        await done(session)
    await imports.to_the_end(batch.id)
    return batch.id


@pytest.mark.parametrize("width", [390, 1280])
async def test_a_school_goes_in_by_hand(
    world: World, chromium: Browser, address: str, width: int
) -> None:
    context = await window(world, chromium, address, width)
    complaints: list[str] = []
    page = await context.new_page()
    watch(page, complaints)
    seen: list[str] = []

    async def look(name: str) -> None:
        """See that nothing is wider than the screen, with every fold open."""
        for fold in await page.locator("main details").all():
            await fold.evaluate("fold => { fold.open = true; }")
        assert await page.evaluate(WIDE) <= width, name
        seen.append(name)

    await page.goto("/admin/import")
    await look("import")
    await page.get_by_label("导入到").first.select_option(str(world.places["school_a"].id))
    file = {"name": "名单.xlsx", "mimeType": "application/x", "buffer": excel(ROWS, HEADER)}
    await page.locator("#file").set_input_files(file)  # type: ignore[arg-type]
    await page.get_by_role("button", name="上传并检查").click()
    await expect(page.get_by_role("progressbar")).to_be_visible()
    await look("running")
    await work(world)
    await expect(page.get_by_text("检查完，还没有导入")).to_be_visible()
    await look("checked")
    await page.get_by_role("link", name="去选").click()
    await page.get_by_label("导入第3行").check()
    await look("asked")
    await page.get_by_role("button", name="把勾选的也导入").click()
    await expect(page.get_by_text("您勾选了 1 行")).to_be_visible()
    await page.get_by_role("button", name="导入 3 行").click()
    await expect(page.get_by_text("开始导入")).to_be_visible()
    await work(world)
    await expect(page.get_by_role("button", name="撤销这次导入")).to_be_visible()
    await look("applied")
    async with world.services.database.read() as session:
        assert len((await session.scalars(select(Child.id))).all()) == 3
    await page.goto("/admin/people")
    await look("people")
    await page.goto(f"/admin/people?place={world.places['class_a'].id}")
    await look("class")
    await page.get_by_role("link", name="晴子涵").click()
    await look("child")
    await page.goto(f"/admin/people/new?place={world.places['class_a'].id}")
    await page.get_by_label("孩子姓名").fill("晴子涵")
    await page.get_by_role("button", name="加上").click()
    await expect(page.get_by_text("班里已经有一个同名的孩子")).to_be_visible()
    await look("same name")
    await page.goto(f"/admin/import/{await directory(world)}?state=ask")
    await expect(page.locator("#rows").get_by_text("老师：有同名账号")).to_be_visible()
    await look("directory")
    await page.goto(f"/admin/staff/{world.staff['teacher'].id}")
    await look("colleague")
    assert len(seen) == 11
    assert unprovoked(complaints) == []
