"""A word before `xinqing work` starts: the demonstration's platform is not there.

The fake platforms live in the web process, on its port; a worker that looks for them on another one
sends nothing. Called by `bot.cli.serving`.
"""

import socket

from bot.config import Mode, Settings
from bot.wiring.channels import SIMULATOR

HOST = "127.0.0.1"
PATIENCE_SECONDS = 1.0


def without_platform(settings: Settings) -> str | None:
    """Return what to say when nothing answers at the simulator's address; None: nothing to say."""
    if settings.mode is not Mode.DEMO or not _is_used(settings):
        return None
    try:
        socket.create_connection((HOST, settings.port), timeout=PATIENCE_SECONDS).close()
    except OSError:
        return (
            f"[注意] 演示平台没有应答（{HOST}:{settings.port}）。它在 xinqing serve 里："
            "先启动 serve，并让 work 用同一个 XINQING_PORT，否则回复都发不出去（not_sent）。"
        )
    return None


def _is_used(settings: Settings) -> bool:
    addresses = [
        *(account.api_base for account in settings.wechat.values()),
        *(robot.api_base for robot in settings.dingtalk.values()),
        *(alert.url.get_secret_value() for alert in settings.alert.values()),
    ]
    return any(address.startswith(SIMULATOR) for address in addresses)
