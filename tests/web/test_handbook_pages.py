"""The public page of an entry: its state, its sources, and where to go on."""

from desk_world import Browser


async def test_an_entry_says_who_has_not_signed_and_leads_on(browser: Browser) -> None:
    page = (await browser().get("/handbook/T06-01")).text
    assert "待专业复核" in page
    assert '<a href="/handbook/T06-02">' in page
    assert "写作业不再拉锯" in page
    assert "在聊天里发“课程”" in page
    assert "《中华人民共和国家庭教育促进法》(2021年)" in page


async def test_an_entry_that_is_none_is_not_found(browser: Browser) -> None:
    assert (await browser().get("/handbook/T99-01")).status_code == 404


async def test_red_flags_say_how_serious_and_no_bare_level(browser: Browser) -> None:
    page = (await browser().get("/handbook/T03-01")).text
    assert "〔马上〕" in page
    assert "〔要紧〕" in page
    assert "〔3" not in page
