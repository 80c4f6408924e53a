"""Prints of a case: a letter of referral, the whole file, and a machine that makes no PDFs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from desk_world import Browser, World
from files_world import TOLD, audit_of, begin, post, sign

from bot.db.models import Case
from bot.web import prints
from bot.web.pdf import PdfUnavailable, pdf


@pytest.fixture
async def case_id(world: World) -> int:
    return await world.add_case("one", place="school_a")


async def _letter(browser: Browser, world: World, case_id: int) -> str:
    path = await begin(browser, world, case_id, "referral")
    words = {
        "hospital": "市第七人民医院",
        "name": "林小雨",
        "age": "9岁",
        "seen": "说“我不想活了”",
        "ask": "请评估",
        "consent_who": "妈妈，电话",
        "sender": "林老师",
        "urgent": "today",
        "consent": "guardian",
    }
    await sign(browser, world, path, **{f"f.{name}": said for name, said in words.items()})
    return path


async def test_a_letter_of_referral_is_a_pdf_with_its_return_slip(
    browser: Browser, world: World, case_id: int
) -> None:
    path = await _letter(browser, world, case_id)
    made = await post(browser, world, f"{path}/print", reason="referral", **{"as": "pdf"})
    assert made.headers["content-type"] == "application/pdf"
    assert made.content.startswith(b"%PDF-")
    page = await post(browser, world, f"{path}/print", reason="referral", **{"as": "page"})
    for words in (
        "市第七人民医院",
        "说“我不想活了”",
        "监护人同意：妈妈，电话",
        "回 执",
        "不含诊断",
    ):
        assert words in page.text
    for words in ("AI", "机器", "3!", "阳台"):
        assert words not in page.text
    form_id = int(path.rsplit("/", 1)[-1])
    entry = {"what": "letter", "reason": "referral", "form": form_id}
    assert await audit_of(world, "case.printed") == [entry, entry]


async def test_the_print_of_a_case_says_who_printed_it_and_what_the_levels_mean(
    browser: Browser, world: World, case_id: int
) -> None:
    await post(browser, world, f"/desk/cases/{case_id}/told", **TOLD)
    path = f"/desk/cases/{case_id}/print"
    assert "请选" in (await browser("counselor").get(path)).text
    unasked = await post(browser, world, path, **{"as": "page"})
    assert (unasked.status_code, "打印要记原因" in unasked.text) == (422, True)
    plain = await post(browser, world, path, reason="police", **{"as": "page"})
    for words in ("最高", "counselor老师 11-22 23:40:00 打印", "孩子现在有人陪着", "不得外传"):
        assert words in plain.text
    assert "阳台" not in plain.text
    whole = await post(browser, world, path, reason="police", words="yes", **{"as": "page"})
    assert "孩子站在阳台上不肯下来" in whole.text
    made = await post(browser, world, path, reason="police", **{"as": "pdf"})
    assert made.content.startswith(b"%PDF-")


async def test_nothing_is_printed_for_a_family_that_may_not_be_told(
    browser: Browser, world: World, case_id: int
) -> None:
    letter = await _letter(browser, world, case_id)
    async with world.services.database.write() as session:
        (await session.get_one(Case, case_id)).guardians_barred = True
    for path in (f"/desk/cases/{case_id}/print", f"{letter}/print"):
        refused = await post(browser, world, path, reason="family", **{"as": "page"})
        assert (refused.status_code, "不能告诉监护人" in refused.text) == (422, True)
        other = await post(browser, world, path, reason="police", **{"as": "page"})
        assert other.status_code == 200
    assert {one["reason"] for one in await audit_of(world, "case.printed")} == {"police"}


async def test_every_print_of_a_drill_says_that_it_is_one(
    browser: Browser, world: World, case_id: int
) -> None:
    path = await _letter(browser, world, case_id)
    pages = {
        f"/desk/cases/{case_id}/print": "police",
        f"{path}/print": "referral",
    }
    for page, reason in pages.items():
        shown = await post(browser, world, page, reason=reason, **{"as": "page"})
        assert (shown.status_code, "演练" in shown.text) == (200, False)
    async with world.services.database.write() as session:
        (await session.get_one(Case, case_id)).drill = True
    for page, reason in pages.items():
        shown = await post(browser, world, page, reason=reason, **{"as": "page"})
        assert "演练：不是真的个案" in shown.text


@pytest.mark.parametrize(
    ("code", "words"), [("no_library", "xinqing[pdf]"), ("no_font", "fonts-noto-cjk")]
)
async def test_a_machine_that_makes_no_pdfs_says_what_to_install(
    browser: Browser,
    world: World,
    case_id: int,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    words: str,
) -> None:
    def unable(html: str) -> bytes:
        raise PdfUnavailable(code)

    monkeypatch.setattr(prints, "pdf", unable)
    path = f"/desk/cases/{case_id}/print"
    refused = await post(browser, world, path, reason="archive", **{"as": "pdf"})
    assert refused.status_code == 503
    assert words in refused.text
    assert "打开网页再打印" in refused.text


def _with_fonts(folder: Path, code: str) -> str:
    """Run a piece of code where only the fonts of a folder are known."""
    config = folder / "fonts.conf"
    config.write_text(f"<fontconfig><dir>{folder}</dir><cachedir>{folder}</cachedir></fontconfig>")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"FONTCONFIG_FILE": str(config)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


@pytest.mark.slow
def test_without_any_font_the_process_lives_and_says_so(tmp_path: Path) -> None:
    """Laying out a page on a machine without fonts ended the whole service."""
    code = "from bot.web.pdf import pdf, PdfUnavailable\n"
    code += "for _ in 1, 2:\n try: pdf('<p>三级</p>')\n except PdfUnavailable as e: print(e)"
    assert _with_fonts(tmp_path, code).split() == ["no_font", "no_font"]


def test_a_rare_letter_of_a_name_stops_no_print() -> None:
    assert pdf("<p>𱍊小雨</p>").startswith(b"%PDF-")
