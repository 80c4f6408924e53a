"""An import from a platform's directory of families; everybody is invented."""

import pytest
from factories import make_district
from import_world import Importer, Listed, imported, phone, start
from sqlalchemy import select

from bot.core.clock import FixedClock
from bot.core.errors import ChannelError, ChannelRefused, ChannelUnavailable
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.models import Child, Guardian
from bot.jobs.errors import Bury, Retry
from bot.services.importing.directory import ListedChild, ListedClass
from bot.services.importing.work import Imports

MOTHER = ("u-m", "甲一妈", "M")
CLASSES = (
    ListedClass(
        "三年级2班",
        (
            ListedChild("u-1", "甲一", "1", (MOTHER, ("u-f", "甲一爸", "F"))),
            ListedChild("u-2", "甲二", "", (MOTHER,)),
        ),
    ),
    ListedClass("九年级9班", (ListedChild("u-3", "乙三"),)),
)


@pytest.fixture
async def importer(database: Database, ring: KeyRing, clock: FixedClock) -> Importer:
    async with database.write() as session:
        made = await make_district(session, now=clock.now())
    return Importer(database, clock, ring, made.school.id)


async def test_families_become_children_with_the_platforms_ids(importer: Importer) -> None:
    batch_id = await imported(importer, Listed(*CLASSES))
    assert [codes[-1] for _, codes in await importer.rows(batch_id)] == [
        "adds_guardian",
        "adds_guardian",
        "class_unknown",
    ]
    await importer.apply(batch_id)
    async with importer.database.read() as session:
        children = (await session.scalars(select(Child).order_by(Child.id))).all()
        guardians = (await session.scalars(select(Guardian).order_by(Guardian.id))).all()
    assert [(one.external_id, one.source) for one in children] == [
        ("u-1", "dingtalk"),
        ("u-2", "dingtalk"),
    ]
    assert [one.external_id for one in guardians] == ["u-m", "u-f"]


async def test_known_families_are_linked_and_keep_their_phones(importer: Importer) -> None:
    await importer.done([("1", "甲一", "三年级2班", "甲一妈", "妈妈", phone(1))])
    batch_id = await imported(importer, Listed(*CLASSES))
    await importer.apply(batch_id)
    async with importer.database.read() as session:
        mother = await session.scalar(select(Guardian).order_by(Guardian.id).limit(1))
        count = len((await session.scalars(select(Child.id))).all())
    assert mother is not None
    assert (mother.external_id, mother.phone, count) == ("u-m", phone(1), 2)
    await importer.undo(batch_id)
    async with importer.database.read() as session:
        mother = await session.get_one(Guardian, mother.id)
    assert (mother.external_id, mother.phone) == (None, phone(1))


async def test_an_empty_directory_says_so(importer: Importer) -> None:
    batch = await importer.batch(await imported(importer, Listed()))
    assert (batch.state, batch.problem) == ("failed", "directory_empty")


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (ChannelRefused("list: refused", code="60011"), Bury),
        (ChannelUnavailable("list: no answer", code="unknown"), Retry),
    ],
)
async def test_a_platform_that_fails(
    importer: Importer, error: ChannelError, raised: type[Exception]
) -> None:
    _, run = await start(importer)
    directory = Listed(*CLASSES, error=error)
    imports = Imports(importer.database, importer.clock, importer.ring, {"school1": directory})
    with pytest.raises(raised):
        await imports.fetch(run)


async def test_a_robot_that_is_gone_is_not_asked(importer: Importer) -> None:
    _, run = await start(importer)
    with pytest.raises(Bury):
        await importer.imports.fetch(run)
