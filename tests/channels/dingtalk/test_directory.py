"""DingTalk's directory of families, read from the fake platform in pages."""

import pytest
from dingtalk_world import World

from bot.channels.dingtalk.directory import DingtalkDirectory
from bot.core.errors import ChannelError, ChannelUnavailable
from bot.services.importing.directory import ListedChild, ListedClass, fetch
from bot.simulator.dingtalk_families import Person, fill
from bot.simulator.platform import Fault

PATH = "/topapi/edu/user/list"


async def _classes(world: World) -> list[ListedClass]:
    return [one async for one in DingtalkDirectory(world.client).classes()]


async def test_a_class_has_its_grade_children_and_guardians() -> None:
    world = World()
    fill(world.dingtalk.families)
    classes = await _classes(world)
    assert sorted(one.name for one in classes) == ["一年级1班", "三年级2班"]
    third = next(one for one in classes if one.name == "三年级2班")
    assert third.children[0] == ListedChild(
        "demo-child-duoduo", "晴朵朵", "D30202", (("demo-ding-mother", "晴朵朵妈妈", "M"),)
    )


async def test_large_classes_come_in_pages() -> None:
    world = World()
    families = world.dingtalk.families
    families.add_department(1, "校区", "campus")
    families.add_department(2, "三年级", "grade", 1)
    for number in range(31):
        families.add_department(100 + number, f"三年级{number}班", "class", 2)
    for number in range(61):
        families.add_child(100, f"c{number}", f"子{number}", [(f"g{number}", f"家{number}", "F")])
    classes = await _classes(world)
    assert len(classes) == 31
    assert [len(one.children) for one in classes if one.children] == [61]
    assert all(one.name.count("三年级") == 1 for one in classes)
    calls = world.platform.calls
    assert calls.count("/topapi/edu/dept/list") == 4
    assert calls.count(PATH) == 31 * 3 + 2 * 2


async def test_teachers_come_after_the_children_each_once() -> None:
    world = World()
    families = world.dingtalk.families
    families.add_department(1, "校区", "campus")
    for number in (100, 200):
        families.add_department(number, f"三年级{number // 100}班", "class", 1)
        families.people.append(Person("t1", "晴老师", "teacher", number))
    guardians = [(f"g{number}", f"家{number}", "O") for number in range(4)]
    families.add_child(100, "c1", "晴朵朵", guardians)
    rows = await fetch(DingtalkDirectory(world.client), 100)
    assert [sorted(row.data) for row in rows][1:] == [["class", "external", "teacher"]]
    assert rows[1].data["external"] == "t1"
    assert len(rows[1].data["class"].split()) == 2
    assert rows[0].codes == ("more_guardians",)
    assert "g3_external" in rows[0].data
    assert "g4_external" not in rows[0].data


async def test_rows_stop_after_one_too_many() -> None:
    world = World()
    fill(world.dingtalk.families)
    rows = await fetch(DingtalkDirectory(world.client), 1)
    assert len(rows) == 2
    everybody = await fetch(DingtalkDirectory(world.client), 100)
    assert [row.number for row in everybody] == [1, 2, 3, 4]
    assert everybody[0].data["g1_external"].startswith("demo-ding-")


@pytest.mark.parametrize("fault", [Fault.TOKEN_INVALID, Fault.BUSY])
async def test_a_passing_fault_is_not_seen(fault: Fault) -> None:
    world = World()
    fill(world.dingtalk.families)
    world.platform.fail(PATH, fault)
    assert len(await _classes(world)) == 2


async def test_what_lasts_is_raised() -> None:
    world = World(calls_per_month=0)
    with pytest.raises(ChannelError):
        await _classes(world)


async def test_an_answer_without_a_list_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()

    async def nothing(path: str, payload: object) -> dict[str, object]:
        return {"errcode": 0, "result": {"details": None}}

    monkeypatch.setattr(world.client, "topapi", nothing)
    with pytest.raises(ChannelUnavailable):
        await _classes(world)
