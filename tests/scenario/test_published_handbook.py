"""A handbook whose files change while two processes answer: both follow, and nobody waits."""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
from fakes import HOMEWORK, HOMEWORK_ENTRY, FakeAnswers, FakeRetriever, ReadyScreen
from house import Houses, make_settings
from sqlalchemy import select

from bot import upkeep
from bot.app import create_app
from bot.core.clock import FixedClock
from bot.db.models import Alarm
from bot.services.answers import Answers, Book
from bot.upkeep import follow_published, look_for_handbook, prepare
from bot.wiring import HANDBOOK, House, build
from knowledge.decision import Decision
from knowledge.loader import Handbook
from knowledge.retrieval import Hit, Retriever

TOPIC, ENTRY = "T06", "T06-01"
OLD = "先定上床的点"
NEW_ALIAS = "橡皮擦得本子都破了还在磨"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A school's own handbook: one topic of the packaged one, without links to the others."""
    # The phrasings of all the other topics' questions would only take time.
    monkeypatch.setattr("knowledge.documents.shipped_examples", dict)
    monkeypatch.setattr("bot.wiring.answers.offtopic_messages", tuple)
    target = tmp_path / "handbook"
    shutil.copytree(HANDBOOK / TOPIC, target / TOPIC)
    names = {path.stem for path in target.rglob("*.md")}
    for path in target.rglob("*.md"):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join(_linked_inside(line, names) for line in lines), encoding="utf-8")
    return target


def _linked_inside(line: str, names: set[str]) -> str:
    if not line.startswith("related:"):
        return line
    inside = [name for name in line.partition("[")[2].rstrip("]\n").split(", ") if name in names]
    return f"related: [{', '.join(inside)}]\n"


@pytest.fixture
async def pair(
    database_url: str, tmp_path: Path, folder: Path, clock: FixedClock, ring: object
) -> AsyncIterator[tuple[House, House]]:
    """Two processes on one database and one handbook, each with a data folder of its own."""
    made = [make(database_url, tmp_path / name, folder, clock) for name in ("one", "two")]
    for house in made:
        await prepare(house)
    yield made[0], made[1]
    for house in made:
        await house.close()


def make(database_url: str, data: Path, folder: Path, clock: FixedClock) -> House:
    data.mkdir()
    settings = make_settings(data, database_url=database_url, handbook=str(folder))
    transport = httpx2.MockTransport(lambda _: httpx2.Response(500))
    return build(settings, clock, screen=ReadyScreen(), transport=transport)


def entry_file(folder: Path, name: str = ENTRY) -> Path:
    return folder / TOPIC / f"{name}.md"


def unlink(folder: Path, name: str) -> None:
    """Take an entry out of what the others call related."""
    for path in folder.rglob("*.md"):
        words = path.read_text(encoding="utf-8")
        path.write_text(words.replace(f"{name}, ", "").replace(f", {name}", ""), encoding="utf-8")


def move(folder: Path, target: Path) -> None:
    """Move a folder."""
    folder.rename(target)


def ask(house: House, question: str = NEW_ALIAS) -> Decision:
    return house.services.answers.decide(question)


def change(folder: Path, *, answer: str = "新的说法：先定上床的点") -> None:
    """Publish other words and a new way of asking, as a writer does who replaces a file."""
    path = entry_file(folder)
    text = path.read_text(encoding="utf-8").replace(OLD, answer, 1)
    head, _, rest = text.partition("aliases:\n")
    others = rest.partition("\n")[2]
    part = path.with_suffix(".part")
    part.write_text(f"{head}aliases:\n  - {NEW_ALIAS}\n{others}", encoding="utf-8")
    part.replace(path)


async def alarms(house: House) -> list[str]:
    async with house.services.database.read() as session:
        return list(await session.scalars(select(Alarm.kind).order_by(Alarm.kind)))


async def test_both_processes_answer_with_the_new_words(
    pair: tuple[House, House], folder: Path
) -> None:
    before = pair[0].services.answers.book
    assert ask(pair[0]).kind != "answer"
    change(folder)
    for house in pair:
        await look_for_handbook(house)
        decision = ask(house)
        assert (decision.kind, decision.entry) == ("answer", ENTRY)
        entry = house.services.answers.entry(ENTRY)
        assert entry is not None
        assert "新的说法" in entry.one_sentence
        assert house.handbook_in_force.taken == 1
    assert pair[0].services.answers.book is not before
    book = pair[0].services.answers.book
    await look_for_handbook(pair[0])
    assert pair[0].services.answers.book is book, "nothing has changed since"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110  # a file has no events
            await asyncio.sleep(0.01)


async def test_they_are_looked_for_again_and_again(
    pair: tuple[House, House], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert upkeep.HANDBOOK_SECONDS <= 3
    monkeypatch.setattr(upkeep, "HANDBOOK_SECONDS", 0.01)
    following = [asyncio.create_task(follow_published(house)) for house in pair]
    change(folder)
    await until(lambda: all(house.handbook_in_force.taken for house in pair))
    for task in following:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    assert all(ask(house).entry == ENTRY for house in pair)


async def test_an_entry_more_and_an_entry_less(pair: tuple[House, House], folder: Path) -> None:
    house = pair[0]
    gone = entry_file(folder, "T06-02")
    text = gone.read_text(encoding="utf-8")
    unlink(folder, "T06-02")
    gone.unlink()
    await look_for_handbook(house)
    assert house.handbook_in_force.problem is None
    assert house.services.answers.entry("T06-02") is None
    gone.write_text(text, encoding="utf-8")
    await look_for_handbook(house)
    assert house.services.answers.entry("T06-02") is not None


async def test_a_schools_own_synonyms_are_followed_too(pair: tuple[House, House]) -> None:
    house = pair[0]
    path = house.settings.data_dir / "synonyms.tsv"
    assert "噶作业皮" not in set(house.services.answers.retriever.synonyms.words)
    for words in ("写作业\t噶作业皮\n", "写作业\t噶作业皮\t呱唧写字\n"):
        path.write_text(words, encoding="utf-8")
        await look_for_handbook(house)
        known = set(house.services.answers.retriever.synonyms.words)
        assert set(words.split()) <= known
    path.unlink()
    await look_for_handbook(house)
    assert "噶作业皮" not in set(house.services.answers.retriever.synonyms.words)


BROKEN = {
    "not readable": b"---\nid: [",
    "no section": b"",
    "not utf-8": b"\xff\xfe",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
async def test_a_handbook_with_errors_leaves_the_one_before_in_force(
    pair: tuple[House, House], folder: Path, content: bytes
) -> None:
    house, path = pair[0], entry_file(folder)
    good, book = path.read_bytes(), house.services.answers.book
    path.write_bytes(content)
    for _ in range(3):
        await look_for_handbook(house)
    assert house.services.answers.book is book
    assert "handbook_invalid" in await alarms(house)
    async with house.services.database.read() as session:
        alarm = await session.scalar(select(Alarm).where(Alarm.kind == "handbook_invalid"))
    assert alarm is not None
    assert alarm.count == 1, "told once, not at every look"
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(create_app(house)), base_url="http://house"
    ) as client:
        checks = (await client.get("/ready")).json()["checks"]
        assert f"{ENTRY}.md" in checks["handbook"]
        assert "stays in force" in checks["handbook"]
        path.write_bytes(good + b"\n")
        await look_for_handbook(house)
        assert (await client.get("/ready")).json()["checks"]["handbook"] == "ok"
    assert house.services.answers.book is not book


async def test_words_that_the_check_refuses_are_not_taken_over(
    pair: tuple[House, House], folder: Path
) -> None:
    change(folder, answer="<b>打110</b>")
    await look_for_handbook(pair[0])
    assert pair[0].handbook_in_force.problem is not None
    assert ask(pair[0]).kind != "answer"


async def test_a_folder_that_vanishes_leaves_the_one_before_in_force(
    pair: tuple[House, House], folder: Path
) -> None:
    book = pair[0].services.answers.book
    away = folder.with_name("away")
    move(folder, away)
    await look_for_handbook(pair[0])
    assert pair[0].services.answers.book is book
    assert pair[0].handbook_in_force.problem is not None
    move(away, folder)
    await look_for_handbook(pair[0])
    assert pair[0].handbook_in_force.problem is None


async def test_without_its_folder_at_the_start_the_packaged_one_answers_and_it_is_told(
    database_url: str, tmp_path: Path, clock: FixedClock, ring: object
) -> None:
    house = make(database_url, tmp_path / "data", tmp_path / "nowhere", clock)
    await prepare(house)
    assert len(house.services.answers.handbook.entries) > 200
    assert house.handbook_in_force.problem is not None
    assert "handbook_invalid" in await alarms(house)
    await house.close()


class Stopped(Retriever):
    """Stands still in the middle of a search until it may go on."""

    def __init__(self, inner: Retriever) -> None:
        self.degraded = self.rebuilt = None
        self.reached, self.go_on = threading.Event(), threading.Event()
        self._inner = inner

    def search(self, question: str, stage: str | None = None, top_k: int = 5) -> list[Hit]:
        self.reached.set()
        assert self.go_on.wait(60)
        return self._inner.search(question, stage, top_k)


async def test_a_search_that_runs_during_the_change_ends_with_the_old(
    pair: tuple[House, House], folder: Path
) -> None:
    answers = pair[0].services.answers
    old = answers.book
    stopped = Stopped(old.retriever)
    answers.take(type(old)(old.handbook, stopped))

    async def one_message() -> tuple[Decision, Handbook]:
        """Do as the router does: all that a message needs comes from one handbook."""
        with answers.hold():
            decision = await answers.ask("写作业拖拉")
            return decision, answers.handbook

    asked = asyncio.create_task(one_message())
    await asyncio.to_thread(stopped.reached.wait, 60)
    change(folder)
    await look_for_handbook(pair[0])
    assert not asked.done(), "the change did not wait for it"
    assert answers.handbook is not old.handbook
    stopped.go_on.set()
    decision, handbook = await asked
    assert decision.kind != "abstain"
    assert handbook is old.handbook
    assert ask(pair[0]).entry == ENTRY


class Replaced(FakeRetriever):
    """Has another handbook published in the middle of a search."""

    answers: Answers

    def search(self, question: str, stage: str | None = None, top_k: int = 5) -> list[Hit]:
        hits = super().search(question, stage, top_k)
        self.answers.take(Book(Handbook({}), FakeRetriever({})))
        return hits


async def test_a_message_is_answered_whole_by_the_handbook_it_began_with(houses: Houses) -> None:
    retriever = Replaced()
    answers = retriever.answers = FakeAnswers(retriever)
    home = await houses.make(answers=answers)
    assert f"手册{HOMEWORK_ENTRY}" in await home.say(HOMEWORK)
    assert "手册T" not in await home.say(HOMEWORK, parent="oOther")
    assert "handler_failed" not in await home.alarms()


async def test_searches_never_fail_or_wait_while_handbooks_come_and_go(
    pair: tuple[House, House], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = pair[0]
    answers, ending = house.services.answers, threading.Event()
    building, waited = threading.Event(), threading.Event()
    during: list[str] = []
    build_ = Retriever.build

    def slow(*arguments: object, **named: object) -> Retriever:
        """Index only after a search has come and gone meanwhile."""
        building.set()
        assert waited.wait(60), "no search came through while it was indexed"
        waited.clear()
        return build_(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Retriever, "build", slow)

    def search() -> int:
        count = 0
        while not ending.is_set():
            inside = building.is_set()
            decision = answers.decide("一写作业就拖拉")
            assert decision.kind != "abstain"
            count += 1
            if inside:
                building.clear()
                waited.set()
                during.append(decision.kind)
        return count

    with ThreadPoolExecutor(2) as pool:
        searching = [pool.submit(search) for _ in range(2)]
        for number in range(4):
            with entry_file(folder).open("a", encoding="utf-8") as file:
                file.write("\n")
            await look_for_handbook(house)
            assert house.handbook_in_force.taken == number + 1
        ending.set()
        assert all(each.result(60) > 0 for each in searching)
    assert len(during) >= 4
