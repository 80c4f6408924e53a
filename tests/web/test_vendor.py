"""The vendored front-end files are the ones that VENDOR.md names, each with its licence."""

import hashlib
import re

from bot.web.headers import STATIC

VENDOR = STATIC / "vendor"


def test_every_vendored_file_has_the_sum_that_was_written_down() -> None:
    table = (VENDOR / "VENDOR.md").read_text("utf-8")
    sums = dict(re.findall(r"\| `([^`]+)` \| ([0-9a-f]{64}) \|", table))
    files = {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*.*")
        if path.suffix in (".js", ".css")
    }
    assert files == sums


def test_every_package_has_its_licence() -> None:
    for folder in (path for path in VENDOR.iterdir() if path.is_dir()):
        assert list(folder.glob("LICENSE*")), folder.name
