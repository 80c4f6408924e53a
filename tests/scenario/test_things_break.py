"""When a part of the service itself breaks: a person is asked, no parent is left in silence."""

import shutil
from pathlib import Path
from types import ModuleType

import pytest
from factories import incoming
from fakes import HOMEWORK, FakeAnswers, FakeRetriever
from house import CALM, DANGER, KEYS, PARENT, URGENT, Home, Houses
from structlog.testing import capture_logs

import handlers
import knowledge
from bot.config import load_settings
from bot.db.models import Delivery
from bot.services import gaps, screening
from bot.services.handling import Context, StoredMessage
from bot.services.screening import Screen
from bot.wiring import make_answers
from knowledge.encoder.load import DEFAULT_FOLDER
from knowledge.retrieval import Hit

PACKAGED = Path(knowledge.__file__).parent / "risk" / "rules"


# The screen ---------------------------------------------------------------------------------------


@pytest.fixture
def blind(staffed: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A house whose text engine fails on every text, quoting it in its error."""

    def fail(text: str, *_rest: object) -> None:
        raise ValueError(f"can't read {text}")

    monkeypatch.setattr(screening, "assess", fail)
    return staffed


async def test_a_screen_that_fails_asks_a_person(blind: Home) -> None:
    with capture_logs() as lines:
        reply = await blind.say(CALM)
    assert "安全检查这一步出了问题" in reply
    assert "120" in reply
    case = await blind.case()
    assert (case.level, case.origin, case.state) == ("3", "screen_failed", "open")
    assert (await blind.assessments())[-1].failed
    assert "screen_failed" in await blind.alarms()
    await blind.work()
    assert len(blind.alerts()) == 1
    assert "青菜" not in repr(lines)
    assert "青菜" not in blind.alerts()[0]


async def test_in_a_group_it_says_the_neutral_line(blind: Home) -> None:
    receipt = await blind.accept(incoming(CALM, at=blind.clock.now(), group="class-302"))
    (line,) = await blind.route(receipt)
    assert "一对一" in line
    assert "安全检查" not in line


# The rules ----------------------------------------------------------------------------------------


def spoil(folder: Path) -> None:
    (folder / "suicide.toml").write_text("[[rule]]\nid = ", encoding="utf-8")


async def test_broken_rules_leave_the_last_good_ones_in_force(
    houses: Houses, tmp_path: Path
) -> None:
    folder, keep = tmp_path / "rules", tmp_path / "kept"
    shutil.copytree(PACKAGED, folder)
    good = Screen(folder, keep)
    assert good.problem is None
    version = good.rules.version if good.rules else ""
    spoil(folder)
    good.reload()
    assert "suicide.toml" in str(good.problem)
    assert good.rules is not None
    assert good.rules.version == version, "a running process keeps what it has"
    home = await houses.make(screen=Screen(folder, keep))
    assert home.screen.rules is not None
    assert home.screen.rules.version == version, "and a new one takes what was kept"
    assert "rules_invalid" in await home.alarms()
    assert "120" in await home.say(DANGER)
    assert (await home.case()).level == "3"


async def test_rules_that_never_were_good_fall_back_to_the_packaged_ones(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    spoil(folder)
    screen = Screen(folder, tmp_path / "kept")
    assert screen.problem is not None
    assert screen.judge(DANGER, who=None, turns=(), floor="0", weak_signs=0).level == "3"


async def test_without_any_rules_every_message_is_for_a_person(
    houses: Houses, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen()
    monkeypatch.setattr(screen, "rules", None)
    home = await houses.make(screen=screen)
    assert "安全检查这一步出了问题" in await home.say(CALM)
    assert (await home.case()).level == "3"


# Search -------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_an_encoder_file_cut_off(houses: Houses, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(DEFAULT_FOLDER, folder)
    model = folder / "model.onnx"
    model.write_bytes(model.read_bytes()[:100_000])
    settings = load_settings(data_dir=tmp_path / "d", secret_keys=KEYS, encoder=str(folder))
    answers = make_answers(settings)
    assert answers.retriever.degraded is not None
    home = await houses.make(answers=answers)  # type: ignore[arg-type]
    assert "retrieval_degraded" in await home.alarms()
    assert "120" in await home.say(URGENT)
    assert (await home.case()).level == "3!"
    assert "手册T06" in await home.say("写作业拖到十点多,一催就炸,怎么办?", parent="oOther")


class BrokenRetriever(FakeRetriever):
    """An index that can't be read any more."""

    def search(self, question: str, stage: str | None = None, top_k: int = 5) -> list[Hit]:
        """Fail, quoting the question."""
        raise RuntimeError(f"index cut off at {question}")


async def test_a_search_that_fails_gives_the_fallback_and_flags_the_conversation(
    houses: Houses,
) -> None:
    home = await houses.make(answers=FakeAnswers(BrokenRetriever()))
    await home.on_duty()
    with capture_logs() as lines:
        reply = await home.say(HOMEWORK)
    assert "没能回答你" in reply
    case = await home.case()
    assert (case.level, case.origin) == ("1", "handoff")
    assert "handler_failed" in await home.alarms()
    assert HOMEWORK not in repr(lines)
    assert {line["error"] for line in lines if "error" in line} == {"RuntimeError"}
    assert "120" in await home.say(DANGER)
    assert (await home.case()).level == "3"


# Handlers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("handler", handlers.HANDLERS[:-1], ids=lambda h: h.__name__)
async def test_any_handler_may_fail(
    staffed: Home, handler: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_context: Context, message: StoredMessage) -> None:
        raise KeyError(message.text)

    monkeypatch.setattr(handler, "handle", fail)
    with capture_logs() as lines:
        reply = await staffed.say(HOMEWORK)
    assert "没能回答你" in reply
    assert (await staffed.case()).origin == "handoff"
    assert HOMEWORK not in repr(lines)


async def test_a_failing_crisis_reply_leaves_case_and_alert(
    staffed: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_args: object) -> None:
        raise LookupError("no part")

    monkeypatch.setattr(handlers.risk, "handle", fail)
    reply = await staffed.say(DANGER)
    assert "没能回答你" in reply
    assert "120" in reply
    assert (await staffed.case()).level == "3"
    await staffed.work()
    assert len(staffed.alerts()) >= 1


async def test_an_effect_that_cannot_be_written_gives_the_fallback(
    staffed: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_args: object, **_kinds: object) -> None:
        raise OSError("no space for it")

    monkeypatch.setattr(gaps, "open_ticket", fail)
    reply = await staffed.say(CALM)
    assert "没能回答你" in reply
    message = (await staffed.messages())[-1]
    assert (message.state, message.text) == ("done", CALM)
    assert len(await staffed.rows(Delivery, Delivery.message_id == message.id)) == 1
    assert "handler_failed" in await staffed.alarms()


async def test_when_even_the_fallback_fails_the_message_is_swept_later(
    staffed: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_args: object) -> None:
        raise OSError

    monkeypatch.setattr(handlers.questions, "handle", fail)
    monkeypatch.setattr(handlers.fallback, "handle", fail)
    response = await staffed.driver.post(staffed.driver.prepare(PARENT, HOMEWORK))
    staffed.platform.wrote(PARENT)
    assert (response.status_code, response.text) == (200, "success")
    monkeypatch.undo()
    staffed.clock.advance(seconds=21)
    await staffed.house.deliverer.sweep()
    await staffed.work()
    assert "手册T06-01" in staffed.sent()[0]


# The database -------------------------------------------------------------------------------------


async def test_while_the_database_is_away_nothing_is_acknowledged(
    staffed: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = staffed.driver.prepare(PARENT, DANGER)

    def away() -> None:
        raise OSError(f"disk: {DANGER}")

    monkeypatch.setattr(staffed.house.services.database, "write", away)
    with capture_logs() as lines:
        response = await staffed.driver.post(prepared)
    assert (response.status_code, response.text) == (503, "")
    assert DANGER not in repr(lines)
    monkeypatch.undo()
    assert "120" in (await staffed.driver.deliver(prepared) or "")
    assert (await staffed.case()).level == "3"


async def test_a_handover_that_fails_is_made_up_for(
    staffed: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    await staffed.driver.say(PARENT, HOMEWORK)

    def away() -> None:
        raise OSError

    monkeypatch.setattr(staffed.house.services.database, "write", away)
    await staffed.house.handover.flush()
    monkeypatch.undo()
    (answer,) = await staffed.rows(Delivery, Delivery.kind == "answer")
    assert answer.state == "sending"
    staffed.clock.advance(seconds=21)
    await staffed.house.deliverer.sweep()
    await staffed.work()
    (answer,) = await staffed.rows(Delivery, Delivery.kind == "answer")
    assert (answer.state, answer.route) == ("accepted", "api")
