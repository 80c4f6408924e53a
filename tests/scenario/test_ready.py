"""`/ready` says when the stored fields can't be read with the keys in force."""

import httpx2
from house import CALM, Home

from bot.db import crypto


async def _checks(home: Home) -> dict[str, str]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(home.app)) as client:
        answer = (await client.get("http://house/ready")).json()
    checks: dict[str, str] = answer["checks"]
    return checks


async def test_keys_that_do_not_fit_are_not_ready(home: Home) -> None:
    await home.say(CALM)
    assert (await _checks(home))["keys"] == "ok"
    crypto.install(crypto.KeyRing.parse(crypto.new_key("k1")))
    checks = await _checks(home)
    assert (checks["database"], checks["keys"]) == ("ok", "unreadable")
    crypto.install(home.house.services.ring)
    assert (await _checks(home))["keys"] == "ok"
