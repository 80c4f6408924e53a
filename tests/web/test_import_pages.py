"""Pages of imports: upload, dry run, report, apply, undo; another school's import is not there."""

from io import BytesIO

import httpx2
import pytest
from desk_world import Browser, World
from import_world import excel, phone
from openpyxl import load_workbook
from sqlalchemy import func, select

from bot.db.models import AuditEntry, Child, ImportBatch, Place
from bot.services.importing.work import Imports

ROWS = (
    ("D1", "晴小雨", "三年级2班", "雨妈妈", "妈妈", phone(1)),
    ("D2", "", "三年级2班", "云妈妈", "妈妈", phone(2)),
    ("D3", "=1+1", "三年级9班", "石妈妈", "妈妈", phone(3)),
)


async def _upload(
    client: httpx2.AsyncClient, world: World, login: str, content: bytes, place: str = "school_a"
) -> httpx2.Response:
    return await client.post(
        "/admin/import",
        data={"csrf": world.csrf[login], "place": str(world.places[place].id)},
        files={"file": ("名单.xlsx", content, "application/octet-stream")},
    )


async def _work(world: World) -> None:
    services = world.services
    imports = Imports(services.database, services.clock, services.ring)
    async with services.database.read() as session:
        ids = list(await session.scalars(select(ImportBatch.id)))
    for batch_id in ids:
        await imports.to_the_end(batch_id)


@pytest.fixture
async def uploaded(world: World, browser: Browser) -> str:
    """The page of a checked import."""
    answer = await _upload(browser("lead"), world, "lead", excel(ROWS))
    assert answer.status_code == 303
    await _work(world)
    return answer.headers["location"]


async def _children(world: World) -> int:
    async with world.services.database.read() as session:
        return await session.scalar(select(func.count(Child.id))) or 0


async def test_a_dry_run_says_what_every_row_will_be(
    world: World, browser: Browser, uploaded: str
) -> None:
    page = (await browser("lead").get(uploaded)).text
    assert "缺姓名" in page
    assert "可以导入" in page
    assert "导入 1 行" in page
    assert "第行" not in page
    assert await _children(world) == 0
    wrong = (await browser("lead").get(f"{uploaded}?state=wrong")).text
    assert "晴小雨" not in wrong


async def test_apply_and_undo(world: World, browser: Browser, uploaded: str) -> None:
    client = browser("lead")
    row = {"csrf": world.csrf["lead"], "row": "2"}
    assert (await client.post(f"{uploaded}/apply", data=row)).status_code == 303
    running = await client.get(f"{uploaded}/progress")
    assert "正在导入" in running.text
    assert "hx-trigger" in running.text
    again = await client.post(f"{uploaded}/apply", data=row)
    assert again.status_code == 409
    await _work(world)
    assert await _children(world) == 1
    assert (await client.get(f"{uploaded}/progress")).headers["HX-Refresh"] == "true"
    async with world.services.database.read() as session:
        version = await session.scalar(select(ImportBatch.row_version))
    row["row"] = str(version)
    assert (await client.post(f"{uploaded}/undo", data=row)).status_code == 303
    await _work(world)
    assert await _children(world) == 0
    async with world.services.database.read() as session:
        actions = set(await session.scalars(select(AuditEntry.action)))
    assert {"import.started", "import.applied", "import.undone", "import.read"} <= actions


@pytest.mark.parametrize(("login", "status"), [("other_lead", 404), ("teacher", 403)])
async def test_another_schools_import_is_not_there(
    world: World, browser: Browser, uploaded: str, login: str, status: int
) -> None:
    client = browser(login)
    for path in ("", "/progress", "/report"):
        assert (await client.get(uploaded + path)).status_code == status, path
    for path in ("/apply", "/undo"):
        answer = await client.post(uploaded + path, data={"csrf": world.csrf[login], "row": "2"})
        assert answer.status_code == status, path
    if status == 404:
        assert "名单.xlsx" not in (await client.get("/admin/import")).text


async def test_nobody_imports_into_another_school(world: World, browser: Browser) -> None:
    answer = await _upload(browser("other_lead"), world, "other_lead", excel(ROWS))
    assert answer.status_code == 403
    async with world.services.database.read() as session:
        assert await session.scalar(select(func.count(ImportBatch.id))) == 0


async def test_a_district_is_no_place_for_an_import(world: World, browser: Browser) -> None:
    answer = await _upload(browser("admin"), world, "admin", excel(ROWS), "district")
    assert answer.status_code == 422
    assert "请选导入到哪里" in answer.text


async def test_the_report_holds_every_row_and_no_formula_or_phone(
    world: World, browser: Browser, uploaded: str
) -> None:
    answer = await browser("lead").get(f"{uploaded}/report")
    assert answer.headers["content-disposition"].startswith("attachment")
    sheet = load_workbook(BytesIO(answer.content)).worksheets[0]
    rows = list(sheet.iter_rows(values_only=True))
    assert len(rows) == 1 + len(ROWS)
    assert rows[1][:3] == (2, "可以导入", "新孩子；新家长")
    assert phone(1) not in str(rows)
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)


async def test_the_template_can_be_filled_in_and_uploaded(world: World, browser: Browser) -> None:
    client = browser("lead")
    book = load_workbook(BytesIO((await client.get("/admin/import/template")).content))
    book.worksheets[0].append(["D9", "晴小禾", "三年级2班", "禾妈妈", "母亲", phone(9)])
    out = BytesIO()
    book.save(out)
    answer = await _upload(client, world, "lead", out.getvalue())
    await _work(world)
    assert "导入 1 行" in (await client.get(answer.headers["location"])).text


@pytest.mark.parametrize("content", [b"", b"not excel", b"PK\x03\x04broken"])
async def test_what_is_no_file_is_said(world: World, browser: Browser, content: bytes) -> None:
    client = browser("lead")
    answer = await _upload(client, world, "lead", content)
    if not content:
        assert answer.status_code == 422
        assert "请选一个 Excel 文件" in answer.text
        return
    page = await client.get(answer.headers["location"])
    assert page.status_code == 200
    assert "没有成功" in page.text


async def test_a_form_without_its_token_is_refused(world: World, browser: Browser) -> None:
    answer = await browser("lead").post(
        "/admin/import",
        data={"csrf": "wrong", "place": "1"},
        files={"file": ("a.xlsx", excel(ROWS), "application/octet-stream")},
    )
    assert answer.status_code == 403


async def _give_scenes(world: World) -> None:
    """Let one robot be school A's, one school B's, and one the whole district's."""
    async with world.services.database.write() as session:
        for name in ("school_a", "school_b"):
            place = await session.get_one(Place, world.places[name].id)
            place.scene = f"robot-{name}"
    world.services.directories = {
        "school1": "robot-school_a",
        "school2": "robot-school_b",
        "everybody": "",
    }


async def test_another_organisations_families_are_not_asked_for(
    world: World, browser: Browser
) -> None:
    await _give_scenes(world)
    client = browser("lead")
    page = (await client.get("/admin/import")).text
    assert [f'value="{robot}"' in page for robot in world.services.directories] == [
        True,
        False,
        False,
    ]
    form = {"csrf": world.csrf["lead"], "place": str(world.places["school_a"].id)}
    for robot in ("school2", "everybody"):
        answer = await client.post("/admin/import/dingtalk", data=form | {"robot": robot})
        assert answer.status_code == 422, robot


async def test_dingtalk_is_asked_only_where_a_robot_is(world: World, browser: Browser) -> None:
    client = browser("lead")
    place = str(world.places["school_a"].id)
    await _give_scenes(world)
    form = {"csrf": world.csrf["lead"], "place": place, "robot": "nobody"}
    assert (await client.post("/admin/import/dingtalk", data=form)).status_code == 422
    form["robot"] = "school1"
    first = await client.post("/admin/import/dingtalk", data=form)
    assert first.status_code == 303
    assert "正在读" in (await client.get(first.headers["location"])).text
    assert (await client.post("/admin/import/dingtalk", data=form)).status_code == 409
