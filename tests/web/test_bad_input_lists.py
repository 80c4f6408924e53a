"""A school's list with everything wrong, and two admins at one class, as people see it on pages."""

import asyncio
from io import BytesIO

import httpx2
import pytest
from desk_world import Browser, World
from import_world import HEADER, excel, phone, saved
from openpyxl import Workbook, load_workbook
from sqlalchemy import select

from bot.bench.import_file import make_file
from bot.db.models import Child, Guardian, ImportBatch, Place
from bot.services import places
from bot.services.importing.work import Imports

CLASS = "三年级2班"


async def upload(world: World, client: httpx2.AsyncClient, content: bytes) -> str:
    """Upload a file as the school's head, let the worker check it, and return the page's path."""
    answer = await client.post(
        "/admin/import",
        data={"csrf": world.csrf["lead"], "place": str(world.places["school_a"].id)},
        files={"file": ("名单.xlsx", content, "application/octet-stream")},
    )
    assert answer.status_code == 303
    await work(world)
    return answer.headers["location"]


async def work(world: World) -> None:
    """Let the worker do what waits."""
    services = world.services
    async with services.database.read() as session:
        ids = list(await session.scalars(select(ImportBatch.id)))
    for batch_id in ids:
        await Imports(services.database, services.clock, services.ring).to_the_end(batch_id)


async def apply(world: World, client: httpx2.AsyncClient, path: str) -> None:
    """Press the button that puts the rows in."""
    async with world.services.database.read() as session:
        batch = await session.get_one(ImportBatch, int(path.rpartition("/")[2]))
        version = batch.row_version
    form = {"csrf": world.csrf["lead"], "row": str(version)}
    assert (await client.post(f"{path}/apply", data=form)).status_code == 303
    await work(world)


async def children(world: World) -> list[str]:
    """Return the names that are in the roster."""
    async with world.services.database.read() as session:
        return sorted(await session.scalars(select(Child.name)))


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (("学号", "联系方式", "班级"), "前十行里没有找到“姓名”和“班级”两列"),
        (("姓名", "班级", "学生姓名"), "同一列出现了两次"),
    ],
)
async def test_wrong_columns_are_said_with_what_to_do(
    world: World, browser: Browser, header: tuple[str, ...], says: str
) -> None:
    client = browser("lead")
    path = await upload(world, client, excel([("D1", "晴小雨", CLASS)], header))
    page = (await client.get(path)).text
    assert "没有成功" in page
    assert says in page
    assert f"{path}/apply" not in page, "nothing to press"
    assert await children(world) == []


def messy() -> bytes:
    """Return a list as it comes out of a school's office."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (
        HEADER,
        ("D1", "晴小雨", CLASS, "雨妈妈", "妈妈", phone(1), "雨爸爸", "爸爸", phone(1)),
        ("D2", "云安远", CLASS, "云妈妈", "妈妈", phone(2)),
        ("D2", "雲安遠", CLASS, "云妈妈", "妈妈", phone(2)),
        ("D3", '=CONCATENATE("石","河")', CLASS, "石妈妈", "妈妈", phone(3)),
        ("D4", "林平文", CLASS, "林妈妈", "妈妈", phone(4)),
        ("D5", "林平书", None, "林妈妈", "妈妈", phone(4)),
        ("D6", "风大子", "三年级99班", "风妈妈", "妈妈", phone(5)),
        ("D7", "雪文佳", CLASS, "雪妈妈", "妈妈", "12345"),
    ):
        sheet.append(list(row))
    sheet.merge_cells("C6:C7")
    return saved(book)


async def test_of_a_messy_list_only_the_good_rows_go_in_and_each_other_says_why(
    world: World, browser: Browser
) -> None:
    client = browser("lead")
    path = await upload(world, client, messy())
    page = (await client.get(path)).text
    assert "导入 2 行" in page
    for words in (
        "电话两位家长共用",
        "学号和第3行相同，名字写法不同；请改成一种写法",
        "有公式，请改成数值",
        "有合并单元格，请拆开再填",
        "班级不存在",
        "电话格式不对",
    ):
        assert words in page, words
    await apply(world, client, path)
    assert await children(world) == ["云安远", "晴小雨"]
    async with world.services.database.read() as session:
        names = sorted(await session.scalars(select(Guardian.name)))
    assert names == ["云妈妈", "雨妈妈", "雨爸爸"], "two guardians of one phone are two people"
    report = load_workbook(BytesIO((await client.get(f"{path}/report")).content)).worksheets[0]
    states = [row[1] for row in report.iter_rows(min_row=2, values_only=True)]
    assert states == ["已导入", "已导入", *["不导入"] * 6]


async def test_a_second_spelling_on_another_day_goes_in_only_when_somebody_says_so(
    world: World, browser: Browser
) -> None:
    """The list of September and the one of November spell one child in two ways."""
    client = browser("lead")
    row = ("", "云安远", CLASS, "云妈妈", "妈妈", phone(2))
    await apply(world, client, await upload(world, client, excel([row])))
    again = await upload(world, client, excel([("", "雲安遠", *row[2:])]))
    page = (await client.get(again)).text
    assert "同一位家长在系统里有个名字相近的孩子" in page
    await apply(world, client, again)
    assert await children(world) == ["云安远"]


@pytest.mark.slow
async def test_twenty_thousand_rows_are_read_and_checked_and_can_be_looked_through(
    world: World, browser: Browser
) -> None:
    file = make_file(20_000, seed=3)
    async with world.services.database.write() as session:
        school = await session.merge(world.places["school_a"])
        for name in set(file.classes) - {CLASS}:
            await places.add(session, kind="class", name=name, parent=school)
    client = browser("lead")
    path = await upload(world, client, file.content)
    page = (await client.get(path)).text
    assert f"导入 {file.good} 行" in page
    assert "20000" in page
    last = await client.get(f"{path}?page=99999")
    assert '<td data-label="行">20001</td>' in last.text
    assert await children(world) == []


# Two admins at one class --------------------------------------------------------------------------


async def test_two_admins_move_one_class_and_the_second_is_told(
    world: World, browser: Browser
) -> None:
    """Both have the page open; each picks another grade and presses the button."""
    async with world.services.database.write() as session:
        school = await session.merge(world.places["school_a"])
        grades = [
            await places.add(session, kind="grade", name=name, parent=school)
            for name in ("三年级", "四年级")
        ]
    class_id = world.places["class_a"].id
    logins = ("admin", "district")
    answers = await asyncio.gather(
        *(
            browser(login).post(
                f"/admin/tree/{class_id}/move",
                data={"csrf": world.csrf[login], "row": "1", "parent": str(grade.id)},
            )
            for login, grade in zip(logins, grades, strict=True)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [303, 409]
    (told,) = [answer for answer in answers if answer.status_code == 409]
    assert "刚被别人改过" in told.text
    won = grades[0] if answers[0].status_code == 303 else grades[1]
    async with world.services.database.read() as session:
        moved = await session.get_one(Place, class_id)
    assert (moved.parent_id, moved.row_version) == (won.id, 2)
    assert moved.path == f"{won.path}{class_id}/"
