"""The editors' trial page: what a question gets, why, and that nothing of it stays anywhere."""

import re
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from desk_world import Browser, World
from explaining import ExplainingRetriever
from fakes import HOMEWORK, HOMEWORK_ENTRY, OFF_TOPIC, VAGUE, FakeAnswers
from sqlalchemy import func, select

from bot.db.base import Base
from knowledge.risk.assess import default_rules
from knowledge.synonyms import Synonyms

ALLOWED = ("editor", "lead", "district")
LEDGE = "孩子站在阳台上不肯下来，说不想活了。"


@pytest.fixture
def retriever(world: World) -> ExplainingRetriever:
    """A search that explains itself, behind the real decision and the real words."""
    made = ExplainingRetriever()
    world.services.answers = FakeAnswers(made)  # type: ignore[assignment]
    return made


async def _try(
    browser: Browser, world: World, text: str, login: str = "editor", **fields: str
) -> httpx2.Response:
    data = {"csrf": world.csrf[login], "text": text, **fields}
    return await browser(login).post("/editor/try", data=data)


@pytest.mark.parametrize("login", ALLOWED)
@pytest.mark.usefixtures("retriever")
async def test_an_answer_is_shown_in_its_very_words(
    world: World, browser: Browser, login: str
) -> None:
    answer = await _try(browser, world, HOMEWORK, login)
    assert answer.status_code == 200
    page = answer.text
    entry = FakeAnswers().handbook.entries[HOMEWORK_ENTRY]
    assert "结果：直接回答" in page
    assert f"【{entry.title}】" in page
    assert entry.one_sentence in page
    assert f'<a href="/handbook/{HOMEWORK_ENTRY}">{entry.title}</a>' in page
    assert '<span class="badge bg-yellow-lt">待专业复核</span>' in page
    assert HOMEWORK in page  # the form keeps it


@pytest.mark.parametrize("login", [None, "teacher", "counselor", "admin"])
@pytest.mark.usefixtures("retriever")
async def test_nobody_else_may_use_it(world: World, browser: Browser, login: str | None) -> None:
    client = browser(login)
    shown = await client.get("/editor/try")
    sent = await client.post(
        "/editor/try", data={"csrf": world.csrf[login] if login else "", "text": HOMEWORK}
    )
    assert sent.status_code == (403 if login else 401)
    assert (shown.status_code == 403) if login else (shown.headers["location"][:7] == "/login?")
    assert "直接回答" not in sent.text


@pytest.mark.usefixtures("retriever")
async def test_without_the_forms_token_nothing_is_searched(browser: Browser) -> None:
    answer = await browser("editor").post("/editor/try", data={"text": HOMEWORK})
    assert answer.status_code == 403
    assert "直接回答" not in answer.text


@pytest.mark.usefixtures("retriever")
async def test_the_editor_is_led_to_it(browser: Browser) -> None:
    page = (await browser("editor").get("/")).text
    assert 'href="/editor/try"' in page
    empty = await browser("editor").get("/editor/try")
    assert empty.status_code == 200
    assert 'id="result"' not in empty.text
    assert "不保存、不记日志" in empty.text


@pytest.mark.usefixtures("retriever")
async def test_the_score_stands_on_a_bar_with_both_thresholds(
    world: World, browser: Browser
) -> None:
    page = (await _try(browser, world, HOMEWORK)).text
    assert "第一条的把握 0.93，前三条合计 0.96；给选项线 0.15，直接回答线 0.65" in page
    assert re.search(r'class="first" x="0" y="2.5" width="93', page)
    assert re.search(r'class="line-answer" x1="65', page)
    assert re.search(r'class="line-choices" x1="15', page)


@pytest.mark.usefixtures("retriever")
async def test_how_it_was_read_and_why_it_was_found(world: World, browser: Browser) -> None:
    page = (await _try(browser, world, HOMEWORK)).text
    assert "「孩子写作业拖到十点多」" in page
    assert "客套话：" in page
    assert "老师你好" in page
    assert "「作业」→「功课」（近义词）" in page
    assert "「作叶」→「作业」（错了一个字）" in page
    assert "条目里最像的话" in page
    assert "0.81" in page
    assert "没有算" in page  # a passage without a cosine
    assert 'href="tel:12356"' in page
    assert "和最近的几句像不像" in page
    assert "3.52" in page
    assert "&lt;b&gt;拖" in page
    assert "会直接回答" in page


@pytest.mark.usefixtures("retriever")
async def test_choices_are_shown_as_they_are_sent(world: World, browser: Browser) -> None:
    page = (await _try(browser, world, VAGUE)).text
    entries = FakeAnswers().handbook.entries
    assert "结果：给选项，请家长选" in page
    for number, name in enumerate(("T02-01", "T04-01", "T08-01"), 1):
        assert f"{number}. {entries[name].title}" in page
    assert page.count("会列为选项") == 3


@pytest.mark.usefixtures("retriever")
async def test_an_abstention_is_said_and_opens_no_ticket(world: World, browser: Browser) -> None:
    page = (await _try(browser, world, OFF_TOPIC)).text
    assert "结果：老实说没有答案" in page
    assert "这个问题我还没有可靠的答案" in page
    assert "把握不够" in page


@pytest.mark.usefixtures("retriever")
async def test_nothing_found_is_no_error(world: World, browser: Browser) -> None:
    answer = await _try(browser, world, "zzz qqq")
    assert answer.status_code == 200
    assert "什么也没有找到" in answer.text
    assert "第一条的把握 0.00" in answer.text


@pytest.mark.usefixtures("retriever")
async def test_small_talk_gets_its_line(world: World, browser: Browser) -> None:
    page = (await _try(browser, world, "谢谢老师")).text
    assert "结果：当作寒暄，不查手册" in page
    assert "不客气，愿你和孩子都好" in page


@pytest.mark.usefixtures("retriever")
async def test_danger_is_said_before_the_handbook(world: World, browser: Browser) -> None:
    page = (await _try(browser, world, LEDGE)).text
    assert "结果：先当危险处理，不查手册" in page
    assert "没有危险时，家长会收到的话" in page
    assert "si." not in page  # no rule is told: that is the rules' page


async def test_what_nobody_signed_is_not_sent_in_live(world: World, browser: Browser) -> None:
    made = ExplainingRetriever()
    world.services.answers = FakeAnswers(made, unsigned_allowed=False)  # type: ignore[assignment]
    page = (await _try(browser, world, HOMEWORK)).text
    assert "结果：老实说没有答案" in page
    assert "条目还没有人签字" in page
    assert "没人签字，不会发出去" in page
    assert f"/handbook/{HOMEWORK_ENTRY}" in page


async def test_the_stage_and_one_more_entry_are_asked_for(
    world: World, browser: Browser, retriever: ExplainingRetriever
) -> None:
    page = (await _try(browser, world, HOMEWORK, stage="D", who="parent", entry=" T02-01 ")).text
    assert retriever.wanted == ["T02-01"]
    assert '<option value="parent" selected>' in page
    assert '<option value="D" selected>' in page
    assert 'value="T02-01"' in page


@pytest.mark.usefixtures("retriever")
async def test_a_stage_that_does_not_fit_lowers_the_score_and_says_so(
    world: World, browser: Browser
) -> None:
    assert "调过来" not in (await _try(browser, world, HOMEWORK)).text
    page = (await _try(browser, world, HOMEWORK, stage="A")).text
    assert "从 0.93 调过来" in page
    assert "第一条的把握 0.90" in page


@pytest.mark.usefixtures("retriever")
async def test_several_questions_are_told_apart(world: World, browser: Browser) -> None:
    page = (await _try(browser, world, f"两个问题：1. {HOMEWORK}\n2. {VAGUE}")).text
    assert "结果：一条里问了几件事" in page
    assert f"【1. {FakeAnswers().handbook.entries[HOMEWORK_ENTRY].title}】" in page
    assert "其余的，10分钟内回复数字看" in page
    assert "像是问了2件事" in page
    assert f'<td data-label="问的是">{VAGUE}</td>' in page
    assert "像是问了" not in (await _try(browser, world, HOMEWORK)).text


async def test_without_vectors_and_near_an_outsider_it_says_so(
    world: World, browser: Browser, retriever: ExplainingRetriever
) -> None:
    retriever.degraded, retriever.outsider = "no encoder", "gap"
    page = (await _try(browser, world, HOMEWORK)).text
    assert "现在只按字词检索" in page
    assert "手册里还没有的一个已知问题" in page
    retriever.outsider = "background"
    assert "不归手册管的话" in (await _try(browser, world, HOMEWORK)).text


async def test_what_the_schools_synonyms_got_wrong_is_listed(
    browser: Browser, retriever: ExplainingRetriever, tmp_path: Path
) -> None:
    assert "近义词表" not in (await browser("editor").get("/editor/try")).text
    own = tmp_path / "synonyms.tsv"
    own.write_text("作业\t功课\n孤零零\n", "utf-8")
    retriever.synonyms = Synonyms.load(own)
    page = (await browser("editor").get("/editor/try")).text
    assert "synonyms.tsv 第2行：" in page
    assert "第1行" not in page


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"text": ""}, "还没有写要试的话"),
        ({"text": " \n "}, "还没有写要试的话"),
        ({"text": "\0\0"}, "还没有写要试的话"),
        ({"text": "好" * 100_001}, "太长了：最多100,000个字"),
        ({"text": "好", "stage": "Z"}, "请从列表里选学段"),
        ({"text": "好", "entry": "T99-99"}, "手册里没有这个编号"),
        ({"text": "好", "entry": "<script>"}, "手册里没有这个编号"),
    ],
)
@pytest.mark.usefixtures("retriever")
async def test_what_is_wrong_is_said_in_chinese(
    world: World, browser: Browser, fields: dict[str, str], words: str
) -> None:
    answer = await _try(browser, world, **fields)
    assert answer.status_code == 422
    assert words in answer.text
    assert 'id="result"' not in answer.text
    assert "<script>" not in answer.text


async def test_without_a_search_it_says_so(world: World, browser: Browser) -> None:
    answer = await _try(browser, world, HOMEWORK)
    assert answer.status_code == 422
    assert "现在没有能用的检索" in answer.text


@pytest.mark.usefixtures("retriever")
async def test_a_hundred_thousand_characters_are_searched(world: World, browser: Browser) -> None:
    answer = await _try(browser, world, "今天天气很好" * 16_666)
    assert answer.status_code == 200
    assert (await _try(browser, world, "好" * 300_000)).status_code == 413


@pytest.mark.parametrize("odd", ["作\0业", "作\ud800业", "\ufeff作业", "🌊" * 50, "<h5>"])
@pytest.mark.usefixtures("retriever")
async def test_odd_characters_do_no_harm(world: World, browser: Browser, odd: str) -> None:
    body = b"csrf=" + world.csrf["editor"].encode() + b"&text="
    body += "".join(f"%{byte:02X}" for byte in odd.encode("utf-8", "surrogatepass")).encode()
    answer = await browser("editor").post(
        "/editor/try",
        content=body,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == (422 if "\ud800" in odd else 200)
    assert "<h5>" not in answer.text


@pytest.mark.usefixtures("retriever")
async def test_nothing_of_it_stays(
    world: World, browser: Browser, logged: Callable[[], str]
) -> None:
    async def rows() -> dict[str, int]:
        async with world.services.database.read() as session:
            return {
                name: await session.scalar(select(func.count()).select_from(table)) or 0
                for name, table in Base.metadata.tables.items()
            }

    before = await rows()
    answer = await _try(browser, world, "这句话只在试查页里出现过")
    assert answer.status_code == 200
    assert await rows() == before
    assert "试查页里出现过" not in logged()
    assert "试查页" not in str(answer.url)
    assert not any("试查页里" in key[0] for key in default_rules().readings)


@pytest.mark.usefixtures("retriever")
async def test_without_rules_every_message_goes_to_people(world: World, browser: Browser) -> None:
    world.services.screen.rules = None
    assert "结果：先当危险处理" in (await _try(browser, world, HOMEWORK)).text
