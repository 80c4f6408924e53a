"""Take pictures of the pages for the docs: simulator and desk, phone and desktop width.

Against a running demonstration: `python scripts/screenshots.py http://127.0.0.1:8600 LOGIN`, with
the password in XINQING_SCREENSHOT_PASSWORD. A one-time password is changed (and printed). It
writes into the demonstration's conversation.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

WIDTHS = {"phone": (390, 844), "desktop": (1280, 860)}
# A parent for each width: after the first round the bot is silent towards the first one.
PARENTS = {"phone": "demo-grandmother", "desktop": "demo-mother"}
GROUP = "demo-ding-group"
MEMBERS = {"phone": "demo-ding-father", "desktop": "demo-ding-mother"}
GROUP_QUESTION = "今天食堂几点开门"
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
QUESTION = "一拿手机就放不下,没收就跟我拼命"
DANGER = "孩子站在阳台上不肯下来"


def main() -> int:
    """Read the arguments and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", help="address of the demonstration")
    parser.add_argument("login", help="login name of a counselor")
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    arguments = parser.parse_args()
    password = os.environ.get("XINQING_SCREENSHOT_PASSWORD", "")
    chromium = shutil.which("chromium")
    if not password or chromium is None:
        print("needs XINQING_SCREENSHOT_PASSWORD and chromium", file=sys.stderr)
        return 2
    arguments.out.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
        for name, (width, height) in WIDTHS.items():
            shots = Shots(browser, arguments.base, arguments.out, name, width, height)
            password = shots.take(arguments.login, password)
        browser.close()
    return 0


class Shots:
    """The pictures of one width."""

    def __init__(
        self, browser: Browser, base: str, out: Path, name: str, width: int, height: int
    ) -> None:
        context = browser.new_context(
            base_url=base, viewport={"width": width, "height": height}, locale="zh-CN"
        )
        self._page: Page = context.new_page()
        self._page.on("console", lambda message: print("console:", message.type, message.text))
        self._out = out
        self._name = name

    def take(self, login: str, password: str) -> str:
        """Take all pictures and return the password in force."""
        self._simulator()
        self._page.goto("/login?next=/desk")
        self._shot("login")
        self._page.fill("#login", login)
        self._page.fill("#password", password)
        self._page.click("main button[type=submit]")
        self._page.wait_for_load_state()
        if self._page.url.endswith("/password"):
            password = self._change(password)
        self._page.goto("/desk")
        self._shot("desk")
        self._case()
        self._page.goto("/")
        self._shot("start")
        self._page.goto("/handbook/T06-01")
        self._shot("entry")
        return password

    def _change(self, old: str) -> str:
        new = f"{old}-changed"
        self._shot("password")
        for field, value in (("#old", old), ("#new", new), ("#again", new)):
            self._page.fill(field, value)
        self._page.click("main button[type=submit]")
        self._page.wait_for_url("**/desk")
        print(f"new password: {new}")
        return new

    def _simulator(self) -> None:
        page = self._page
        page.goto("/simulator")
        page.select_option("#thread", PARENTS[self._name])
        self._say(QUESTION, DANGER)
        self._shot("simulator")
        page.select_option("#thread", GROUP)
        page.select_option("#author", MEMBERS[self._name])
        self._say(GROUP_QUESTION, DANGER)
        self._shot("group")

    def _say(self, *texts: str) -> None:
        page = self._page
        for number, text in enumerate(texts, 1):
            page.fill("#text", text)
            page.press("#text", "Enter")
            page.locator(".bubble.theirs").nth(number - 1).wait_for()
            # The greeting comes a second behind the first answer, alerts every two seconds.
            page.wait_for_timeout(2500)

    def _case(self) -> None:
        page = self._page
        row = page.locator("#open-cases .case")
        if row.count() == 0:
            return
        row.first.locator("button").click()
        page.locator("form[action$='/take'] button").click()
        page.fill("#text", "我是学校的心理老师,看到您的消息了。孩子现在身边有人吗?")
        self._shot("case")
        page.locator("#write button").click()
        page.wait_for_timeout(1500)
        self._shot("case-written", whole=True)
        page.goto("/desk")

    def _shot(self, what: str, *, whole: bool = False) -> None:
        path = self._out / f"{what}-{self._name}.png"
        self._page.screenshot(path=path, full_page=whole)
        print(path)


if __name__ == "__main__":
    sys.exit(main())
