"""Excel files for tests of imports, and imports that run to their end; everybody is invented."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from io import BytesIO

from openpyxl import Workbook
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from bot.core.clock import Clock
from bot.core.errors import ChannelError
from bot.db.crypto import KeyRing
from bot.db.engine import Database
from bot.db.models import ImportBatch, ImportRow, Place
from bot.jobs.registry import JobRun
from bot.services.importing import batches
from bot.services.importing.directory import ListedClass
from bot.services.importing.work import Imports
from bot.services.staff import StaffView

HEADER = (
    "学号",
    "姓名",
    "班级",
    "家长1姓名",
    "家长1关系",
    "家长1电话",
    "家长2姓名",
    "家长2关系",
    "家长2电话",
)


def excel(rows: Sequence[Sequence[object]], header: Sequence[object] = HEADER) -> bytes:
    """Return an Excel file of one sheet."""
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in [header, *rows]:
        sheet.append(list(row))
    return saved(book)


def saved(book: Workbook) -> bytes:
    """Return a workbook's bytes."""
    out = BytesIO()
    book.save(out)
    return out.getvalue()


def phone(number: int) -> str:
    """Return an invented mobile number."""
    return f"188{number:08}"


class Importer:
    """Does imports from their beginning to their end, as the command line does."""

    def __init__(self, database: Database, clock: Clock, ring: KeyRing, place_id: int) -> None:
        self.database = database
        self.clock = clock
        self.ring = ring
        self.place_id = place_id
        self.imports = Imports(database, clock, ring)

    @property
    def now(self) -> datetime:
        """Return the clock's moment."""
        return self.clock.now()

    async def check(self, rows: Sequence[Sequence[object]], **more: object) -> int:
        """Upload rows and check them; return the batch's id."""
        header = more.get("header", HEADER)
        assert isinstance(header, Sequence)
        return await self.check_file(excel(rows, header))

    async def check_file(self, content: bytes) -> int:
        """Upload a file and check it."""
        batch_id = await batches.start_excel(
            self.database,
            self.ring,
            None,
            place_id=self.place_id,
            name="名单.xlsx",
            content=content,
            now=self.now,
        )
        await self.imports.to_the_end(batch_id)
        return batch_id

    async def choose(
        self, batch_id: int, numbers: Sequence[int], by: StaffView | None = None
    ) -> None:
        """Take rows that were asked about, as the administrator of the whole tree; or none."""
        version = (await self.batch(batch_id)).row_version
        async with self.database.write() as session:
            by = by or await self._anybody(session)
            await batches.choose(session, by, batch_id, numbers, row_version=version)

    async def _anybody(self, session: AsyncSession) -> StaffView:
        every = frozenset(await session.scalars(select(Place.id)))
        return StaffView(0, "admin", "管理员", False, {"admin": every})

    async def apply(self, batch_id: int, by: StaffView | None = None) -> None:
        """Apply a batch to its end."""
        async with self.database.write() as session:
            await batches.apply(session, by, batch_id, row_version=None, now=self.now)
        await self.imports.to_the_end(batch_id)

    async def undo(self, batch_id: int) -> None:
        """Undo a batch to its end."""
        async with self.database.write() as session:
            await batches.undo(session, None, batch_id, row_version=None, now=self.now)
        await self.imports.to_the_end(batch_id)

    async def done(self, rows: Sequence[Sequence[object]]) -> int:
        """Check and apply rows."""
        batch_id = await self.check(rows)
        await self.apply(batch_id)
        return batch_id

    async def batch(self, batch_id: int) -> ImportBatch:
        """Return a batch."""
        async with self.database.read() as session:
            return await session.get_one(ImportBatch, batch_id)

    async def rows(self, batch_id: int) -> list[tuple[str, list[str]]]:
        """Return state and codes of each row."""
        async with self.database.read() as session:
            found = await session.scalars(
                select(ImportRow).where(ImportRow.batch_id == batch_id).order_by(ImportRow.number)
            )
            return [(row.state, row.codes) for row in found]


class Listed:
    """A directory that says what it was given, or fails."""

    def __init__(self, *found: ListedClass, error: ChannelError | None = None) -> None:
        self.found = found
        self.error = error

    async def classes(self) -> AsyncIterator[ListedClass]:
        """Yield the classes."""
        for one in self.found:
            yield one
        if self.error is not None:
            raise self.error


async def start(importer: Importer) -> tuple[int, JobRun]:
    """Begin an import from a directory; return the batch's id and the job that reads it."""
    async with importer.database.write() as session:
        batch = ImportBatch(
            kind=batches.DINGTALK,
            place_id=importer.place_id,
            name="school1",
            counts={},
            created_at=importer.now,
        )
        session.add(batch)
    payload = {"batch": batch.id, "robot": "school1"}
    run = JobRun(1, batches.FETCH, "k", payload, 1, "main", importer.now, False)
    return batch.id, run


async def imported(importer: Importer, directory: Listed) -> int:
    """Read a directory and check its rows; return the batch's id."""
    batch_id, run = await start(importer)
    imports = Imports(importer.database, importer.clock, importer.ring, {"school1": directory})
    done = await imports.fetch(run)
    assert done is not None
    async with importer.database.write() as session:
        await done(session)
    await imports.to_the_end(batch_id)
    return batch_id
