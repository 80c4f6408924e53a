"""People told about a case and its attachments, through the pages."""

import base64
import zlib

import httpx2
import pytest
from desk_world import Browser, World
from files_world import PDF, TOLD, audit_of, begin, post, rows
from sqlalchemy import select
from sqlalchemy.orm import undefer

from bot.db.models import (
    Attachment,
    Case,
    Child,
    Contact,
    Guardian,
    Guardianship,
    Told,
)


@pytest.fixture
async def case_id(world: World) -> int:
    return await world.add_case("one", place="school_a")


async def _family(world: World, *, blocked: bool) -> tuple[int, int]:
    """Bind the contact of the case to a guardian; the other one may be blocked."""
    async with world.services.database.write() as session:
        child = Child(
            place_id=world.places["class_a"].id,
            name="林小雨",
            name_key="k",
            source="excel",
            created_at=world.now,
        )
        people = [
            Guardian(name=name, source="excel", created_at=world.now) for name in ("林静", "林山")
        ]
        session.add_all([child, *people])
        await session.flush()
        for person, relation in zip(people, "MF", strict=True):
            session.add(
                Guardianship(
                    guardian_id=person.id,
                    child_id=child.id,
                    relation=relation,
                    custody_block=blocked and relation == "F",
                    created_at=world.now,
                )
            )
        contact = await session.get_one(Contact, world.contacts["one"])
        contact.guardian_id = people[0].id
        return people[0].id, people[1].id


async def test_people_told_are_written_down_once(
    browser: Browser, world: World, case_id: int
) -> None:
    path = f"/desk/cases/{case_id}/told"
    for _ in range(2):
        done = await post(browser, world, path, **TOLD)
        assert done.headers["location"] == f"/desk/cases/{case_id}?done=told#panel-told"
    (row,) = await rows(world, Told)
    assert (row.who, row.words, row.answer, row.reached) == (
        "school_lead",
        "孩子现在有人陪着",
        "知道了",
        True,
    )
    (case,) = await rows(world, Case)
    assert case.guardian_at is None
    assert "孩子现在有人陪着" in (await browser("counselor").get(f"/desk/cases/{case_id}")).text
    assert await audit_of(world, "case.told") == [
        {
            "told": row.id,
            "what": "school_lead",
            "who": "school_lead",
            "way": "phone",
            "reached": True,
        }
    ]


async def test_the_first_guardian_who_is_reached_stops_the_clock(
    browser: Browser, world: World, case_id: int
) -> None:
    mother, _ = await _family(world, blocked=False)
    path, who = f"/desk/cases/{case_id}/told", f"guardian:{mother}"
    missed = TOLD | {"who": who, "reached": "no", "answer": ""}
    assert (await post(browser, world, path, **missed)).status_code == 303
    (case,) = await rows(world, Case)
    assert case.guardian_at is None
    assert (await post(browser, world, path, **TOLD | {"who": who})).status_code == 303
    (case,) = await rows(world, Case)
    assert case.guardian_at == world.now
    assert [row.name for row in await rows(world, Told)] == ["林静", "林静"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"who": ""}, "请选告诉了谁"),
        ({"way": "pigeon"}, "请选怎么告诉的"),
        ({"words": " "}, "请写对他说了什么"),
        ({"answer": ""}, "请写对方怎么回答"),
        ({"who": "guardian"}, "请选或写监护人的姓名"),
        ({"who": "guardian:999999"}, "不是这个孩子的监护人"),
        ({"at": "2026-11-24T10:00"}, "时间不对"),
        ({"at": "昨天"}, "时间不对"),
        ({"who": "guardian", "name": "林山"}, "有监护限制"),
    ],
)
async def test_what_is_wrong_with_a_telling_is_said_and_nothing_typed_is_lost(
    browser: Browser, world: World, case_id: int, change: dict[str, str], words: str
) -> None:
    await _family(world, blocked=True)
    sent = TOLD | {"words": "原来打的字"} | change
    refused = await post(browser, world, f"/desk/cases/{case_id}/told", **sent)
    assert refused.status_code == 422
    assert words in refused.text
    assert sent["words"].strip() in refused.text
    assert await rows(world, Told) == []


async def test_a_guardian_who_may_not_be_told_is_refused(
    browser: Browser, world: World, case_id: int
) -> None:
    mother, father = await _family(world, blocked=True)
    path = f"/desk/cases/{case_id}/told"
    blocked = await post(browser, world, path, **TOLD | {"who": f"guardian:{father}"})
    assert (blocked.status_code, "有监护限制" in blocked.text) == (422, True)
    async with world.services.database.write() as session:
        (await session.get_one(Case, case_id)).guardians_barred = True
    barred = await post(browser, world, path, **TOLD | {"who": f"guardian:{mother}"})
    assert (barred.status_code, "不能告诉监护人" in barred.text) == (422, True)
    assert (await post(browser, world, path, **TOLD | {"who": "police"})).status_code == 303
    (case,) = await rows(world, Case)
    assert case.guardian_at is None


async def _upload(
    browser: Browser,
    world: World,
    case_id: int,
    name: str,
    content: bytes,
    login: str = "counselor",
) -> httpx2.Response:
    return await browser(login).post(
        f"/desk/cases/{case_id}/attachments",
        data={"csrf": world.csrf[login]},
        files={"file": (name, content)},
    )


async def test_a_file_is_kept_read_and_removed(
    browser: Browser, world: World, case_id: int
) -> None:
    for _ in range(2):
        done = await _upload(browser, world, case_id, "../诊断书.pdf", PDF)
        assert "done=attach" in done.headers["location"]
    (row,) = await rows(world, Attachment)
    path = f"/desk/cases/{case_id}/attachments/{row.id}"
    got = await browser("second_counselor").get(path)
    assert got.content == PDF
    assert got.headers["content-disposition"].startswith("attachment;")
    assert got.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert (row.name, row.media_type, row.size) == ("诊断书.pdf", "application/pdf", len(PDF))
    assert (
        await post(browser, world, f"{path}/remove", login="second_counselor")
    ).status_code == 403
    gone = await post(browser, world, f"{path}/remove")
    assert "done=attach_remove" in gone.headers["location"]
    assert (await browser("counselor").get(path)).status_code == 404
    async with world.services.database.read() as session:
        query = select(Attachment).options(undefer(Attachment.content))
        assert (await session.scalars(query)).one().content == ""
    for action in ("added", "read", "removed"):
        (data,) = await audit_of(world, f"attachment.{action}")
        assert data == {"attachment": row.id, "digest": row.digest}


async def test_a_file_is_encrypted_in_the_table(
    browser: Browser, world: World, case_id: int
) -> None:
    await _upload(browser, world, case_id, "诊断书.pdf", PDF)
    async with world.services.database.read() as session:
        connection = await session.connection()
        found = await connection.exec_driver_sql("SELECT name, content FROM attachment")
        (kept,) = found.all()
    assert "诊断书" not in str(kept)
    assert base64.b64encode(PDF).decode() not in str(kept)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("照片.jpg", b"MZ\x90", "这是一个程序"),
        ("照片.jpg", PDF, "和里面的内容不一样"),
        ("信.pdf", PDF.replace(b"/Catalog", b"/Catalog/S/JavaScript"), "带有宏、脚本"),
        ("信.pdf", PDF + zlib.compress(bytes(10)) * 600_000, "超过5MB"),
        ("", b"", "请先选一个文件"),
    ],
)
async def test_a_file_that_lies_is_refused_in_plain_words(
    browser: Browser, world: World, case_id: int, name: str, content: bytes, words: str
) -> None:
    refused = await _upload(browser, world, case_id, name, content)
    assert refused.status_code == 422
    assert words in refused.text
    assert await rows(world, Attachment) == []


async def test_the_file_of_another_school_does_not_exist(
    browser: Browser, world: World, case_id: int
) -> None:
    path = await begin(browser, world, case_id, "risk")
    await _upload(browser, world, case_id, "诊断书.pdf", PDF)
    (row,) = await rows(world, Attachment)
    other = await world.add_case("two", place="school_b")
    theirs = browser("other_counselor")
    for place in (
        path,
        f"/desk/cases/{case_id}/attachments/{row.id}",
        f"/desk/cases/{case_id}/print",
    ):
        assert (await theirs.get(place)).status_code == 404
    for place, fields in (
        ("told", TOLD),
        ("forms", {"kind": "risk"}),
        ("print", {"reason": "archive"}),
        (f"attachments/{row.id}/remove", {}),
    ):
        there = f"/desk/cases/{case_id}/{place}"
        answer = await post(browser, world, there, login="other_counselor", **fields)
        assert answer.status_code == 404
    assert (
        await _upload(browser, world, case_id, "a.pdf", PDF, "other_counselor")
    ).status_code == 404
    # A form and a file are no part of another case, even of one's own.
    form_id = path.rsplit("/", 1)[-1]
    assert (await theirs.get(f"/desk/cases/{other}/forms/{form_id}")).status_code == 404
    assert (await theirs.get(f"/desk/cases/{other}/attachments/{row.id}")).status_code == 404
    assert await audit_of(world, "case.printed") == []
