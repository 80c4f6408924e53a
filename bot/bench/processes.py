"""Starts, kills and restarts what is measured, on loopback with a folder of its own.

Called by the benchmarks. Nothing outside the temporary folder is read or written, and settings of
the caller's environment do not reach the service, except the encoder's.
"""

import json
import os
import secrets
import signal
import socket
import string
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

import httpx2

from bot.bench.databases import FILE
from bot.bench.measure import cpu_seconds, memory_mb
from bot.core.errors import XinqingError
from bot.db.crypto import new_key
from bot.simulator.dingtalk_driver import DingtalkCredentials
from bot.simulator.driver import WechatCredentials

ACCOUNT = "demo"
HOST = "127.0.0.1"
READY_SECONDS = 120.0
ROBOT = "bench-robot"
LAST_WORDS = 500
KEPT = ("XINQING_ENCODER",)


class NotStarted(XinqingError):
    """A process that is to be measured did not come up; it says what its log ended with."""


class Process:
    """One program that can be started, killed and started again; its output goes to a file."""

    def __init__(self, command: list[str], environment: Mapping[str, str], log: Path) -> None:
        self._command = command
        self._environment = environment
        self._log = log
        self._running: subprocess.Popen[bytes] | None = None
        self._output: IO[bytes] | None = None

    @property
    def id(self) -> int:
        """Return the process id of the program that runs."""
        assert self._running is not None, "not started"
        return self._running.pid

    def start(self) -> None:
        """Start it, in a process group of its own."""
        self._output = self._log.open("ab")
        self._running = subprocess.Popen(
            self._command,
            env=dict(self._environment),
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def wait_ready(self, url: str) -> float:
        """Wait until its `/ready` answers 200 and return the seconds that took.

        Raises:
            NotStarted: it ended, or took too long.
        """
        start = time.perf_counter()
        with httpx2.Client(trust_env=False, timeout=5.0) as http:
            while time.perf_counter() - start < READY_SECONDS:
                if self._running is None or self._running.poll() is not None:
                    break
                with suppress(httpx2.TransportError):
                    if http.get(f"{url}/ready").status_code == 200:
                        return time.perf_counter() - start
                time.sleep(0.02)
        last = self._log.read_text(encoding="utf-8", errors="replace")[-LAST_WORDS:]
        raise NotStarted(f"{self._command[-1]} did not start: {last}")

    def memory_mb(self) -> float | None:
        """Return its resident memory with its children's."""
        return memory_mb(self.id)

    def cpu_seconds(self) -> float:
        """Return its processor time with its children's."""
        return cpu_seconds(self.id)

    def kill(self) -> None:
        """Kill it and its children without a chance to tidy up."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask it to stop and wait."""
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._running is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._running.pid, number)
        try:
            self._running.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self._running.pid, signal.SIGKILL)
            self._running.wait()
        self._running = None
        if self._output is not None:
            self._output.close()


class BenchHouse:
    """The service with demonstration data, one WeChat account in safe mode and one group robot.

    Args:
        folder: an empty folder; becomes the data folder.
        platform_url: where the fake platforms listen.
        processes: web processes.
        database: the address of an empty PostgreSQL database; None: a file in the folder.
        stream: whether there is a DingTalk robot too, and whether it receives over Stream.
    """

    def __init__(
        self,
        folder: Path,
        *,
        platform_url: str,
        processes: int = 1,
        database: str | None = None,
        stream: bool | None = None,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.database = database or f"sqlite+aiosqlite:///{folder / FILE}"
        self.secret_keys = new_key("bench")
        self.credentials = WechatCredentials(
            account=ACCOUNT,
            app_id=f"wx{secrets.token_hex(8)}",
            token=secrets.token_hex(12),
            encoding_aes_key=_aes_key(),
            mode="safe",
        )
        self.app_secret = secrets.token_hex(16)
        self.robot = DingtalkCredentials(
            ACCOUNT, f"ding{secrets.token_hex(8)}", secrets.token_hex(16), "bench-robot-code"
        )
        self._environment = self._settings(platform_url)
        if database is not None:
            self._environment["XINQING_DATABASE_URL"] = database
        if stream is not None:
            self._environment |= self._robot_settings(platform_url, stream)
        command = [*_xinqing("serve"), *(["--workers", str(processes)] if processes > 1 else [])]
        self.process = Process(command, self._environment, folder / "serve.log")

    def _settings(self, platform_url: str) -> dict[str, str]:
        account = f"XINQING_WECHAT__{ACCOUNT.upper()}__"
        return clean_environment() | {
            "XINQING_DATA_DIR": str(self.folder),
            "XINQING_PORT": str(self.port),
            "XINQING_SECRET_KEYS": self.secret_keys,
            f"{account}APP_ID": self.credentials.app_id,
            f"{account}APP_SECRET": self.app_secret,
            f"{account}TOKEN": self.credentials.token,
            f"{account}ENCODING_AES_KEY": self.credentials.encoding_aes_key,
            f"{account}MODE": self.credentials.mode,
            f"{account}API_BASE": platform_url,
            "XINQING_ALERT__DUTY__KIND": "wecom",
            "XINQING_ALERT__DUTY__URL": f"{platform_url}/cgi-bin/webhook/send?key={ROBOT}",
        }

    def _robot_settings(self, platform_url: str, stream: bool) -> dict[str, str]:
        robot = f"XINQING_DINGTALK__{ACCOUNT.upper()}__"
        return {
            f"{robot}APP_KEY": self.robot.app_key,
            f"{robot}APP_SECRET": self.robot.app_secret,
            f"{robot}ROBOT_CODE": self.robot.robot_code,
            f"{robot}STREAM": str(stream),
            f"{robot}API_BASE": platform_url,
            f"{robot}OAPI_BASE": platform_url,
        }

    def rekey(self, secret_keys: str) -> None:
        """Have what is started from now on use another key ring."""
        self.secret_keys = secret_keys
        self._environment["XINQING_SECRET_KEYS"] = secret_keys

    def make_worker(self, number: int, **settings: str) -> Process:
        """Return a process that works through jobs only, not started yet.

        Args:
            settings: further ones, by their whole names.
        """
        environment = self._environment | settings
        return Process(_xinqing("work"), environment, self.folder / f"work{number}.log")

    def setup(self, *, index: bool = True) -> None:
        """Make tables, demonstration data and, unless the first start is to do it, the index."""
        self.run("setup", "--demo", "--index" if index else "--no-index")

    def run(self, *arguments: str) -> str:
        """Run a `xinqing` command on this house and return what it printed.

        Raises:
            NotStarted: it failed.
        """
        done = subprocess.run(
            _xinqing(*arguments), env=self._environment, capture_output=True, check=False
        )
        if done.returncode:
            raise NotStarted(f"xinqing {arguments[0]}: {done.stderr.decode()[-500:]}")
        return done.stdout.decode()

    def complaints(self) -> dict[str, int]:
        """Count the warnings and errors in the service's log, by event and kind of error."""
        found: Counter[str] = Counter()
        for line in (self.folder / "serve.log").read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):
                row = json.loads(line)
                if isinstance(row, dict) and row.get("level") in ("warning", "error"):
                    found[" ".join(filter(None, (row["event"], row.get("error"))))] += 1
        return dict(found)

    def start(self) -> float:
        """Start the service and return the seconds until it was ready."""
        self.process.start()
        return self.process.wait_ready(self.url)


def make_echo_process(credentials: WechatCredentials, port: int, folder: Path) -> Process:
    """Return the bare echo for the same account."""
    environment = clean_environment() | {
        "ECHO_TOKEN": credentials.token,
        "ECHO_AES_KEY": credentials.encoding_aes_key,
        "ECHO_APP_ID": credentials.app_id,
    }
    return make_module_process("bot.bench.echo", environment, folder / "echo.log", str(port))


def make_module_process(
    module: str, environment: Mapping[str, str], log: Path, *arguments: str
) -> Process:
    """Return a process that runs one of this package's modules."""
    return Process([sys.executable, "-m", module, *arguments], environment, log)


def clean_environment() -> dict[str, str]:
    """Return the environment without this installation's own settings."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("XINQING_") or name in KEPT
    }


def free_port() -> int:
    """Return a port on loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _xinqing(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from bot.cli import main; main()", *arguments]


def _aes_key() -> str:
    letters = string.ascii_letters + string.digits
    return "".join(secrets.choice(letters) for _ in range(42)) + secrets.choice("AEIMQUYcgkosw048")
