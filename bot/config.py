"""Typed settings, read from the environment and from `.env` in the data folder.

Every field carries the text that `xinqing doctor` and the docs print. Secrets come from here only;
`xinqing setup` makes the ones the service itself needs. Called by `bot.wiring` and `bot.cli`.
"""

import base64
import errno
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.core.errors import ConfigInvalid

DEFAULT_DATA_DIR = Path("var")


class Mode(StrEnum):
    """`demo` shows unsigned texts with their state; `live` refuses them."""

    DEMO = "demo"
    LIVE = "live"


def _needed(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().strip():
        raise ValueError("must not be empty")
    return value


RequiredSecret = Annotated[SecretStr, AfterValidator(_needed)]


class WechatAccount(BaseModel):
    """One WeChat service account (`XINQING_WECHAT__<ACCOUNT>__…`)."""

    app_id: str = Field(min_length=1, description="AppID from the console; the AES receive id")
    app_secret: RequiredSecret = Field(description="AppSecret, for the access token")
    token: RequiredSecret = Field(description="Token of the message push settings")
    encoding_aes_key: SecretStr = Field(
        default=SecretStr(""), description="EncodingAESKey, 43 characters; needed unless MODE=plain"
    )
    mode: Literal["plain", "compat", "safe"] = Field(
        default="safe", description="message encryption; in safe mode a plaintext POST is refused"
    )
    api_base: str = Field(
        default="https://api.weixin.qq.com", description="address of the platform's API"
    )
    previous_encoding_aes_key: SecretStr = Field(
        default=SecretStr(""), description="the key before, while the platform changes over"
    )
    home: str = Field(
        default="",
        max_length=64,
        description="scene of the school or class that new contacts belong to; empty: the district",
    )
    notice_template: str = Field(
        default="",
        max_length=64,
        description="id of the template message for notices; empty: who has not written within "
        "48 hours is listed as not reachable",
    )
    notice_fields: str = Field(
        default="title=thing1,sender=thing2,time=time3",
        description="which field of that template takes a notice's title, sender and time",
    )


class DingtalkRobot(BaseModel):
    """One DingTalk enterprise robot (`XINQING_DINGTALK__<ROBOT>__…`)."""

    app_key: str = Field(min_length=1, description="Client ID (AppKey) from the console")
    app_secret: RequiredSecret = Field(
        description="Client Secret (AppSecret); for tokens and callbacks' signatures"
    )
    robot_code: str = Field(min_length=1, description="RobotCode from the robot's page")
    robot_name: str = Field(
        default="", description="what the robot is called, to take `@name` off the words"
    )
    agent_id: int = Field(
        default=0, ge=0, description="AgentId; needed for work notifications, 0: none are sent"
    )
    stream: bool = Field(
        default=True, description="receive over Stream; False: HTTP callbacks only"
    )
    token: SecretStr = Field(
        default=SecretStr(""), description="token of the event subscription over HTTP"
    )
    aes_key: SecretStr = Field(
        default=SecretStr(""), description="AES key of the event subscription, 43 characters"
    )
    previous_aes_key: SecretStr = Field(
        default=SecretStr(""), description="the key before, while the platform changes over"
    )
    api_base: str = Field(
        default="https://api.dingtalk.com", description="address of the platform's API"
    )
    oapi_base: str = Field(
        default="https://oapi.dingtalk.com",
        description="address of the older API; return addresses must lie there",
    )
    freshness_seconds: int = Field(
        default=300, ge=1, description="how far an HTTP callback's time may be from ours"
    )
    home: str = Field(
        default="",
        max_length=64,
        description="scene of the school or class that new contacts belong to; empty: the district",
    )
    organisation: str = Field(
        default="",
        max_length=48,
        description="robots with the same name share a month's quota; empty: this one has its own",
    )
    calls_per_month: int = Field(
        default=5000, ge=0, description="API calls of the edition a month, 0: not limited"
    )
    messages_per_month: int = Field(
        default=3000,
        ge=0,
        description="incoming Webhook and Stream messages of the edition a month, 0: not limited",
    )
    card_secret: SecretStr = Field(
        default=SecretStr(""),
        description="apiSecret of the card callback over HTTP; empty: clicks come over Stream only",
    )

    def scope(self, name: str) -> str:
        """Return what this robot's quota is counted under."""
        return f"dingtalk/{self.organisation or name}"


WEBHOOKS = ("wecom", "dingtalk")


DUTY = "duty"


class AlertChannel(BaseModel):
    """One way to wake the people on duty (`XINQING_ALERT__<NAME>__…`).

    `wecom` and `dingtalk` are group webhooks; the others leave through a robot of `DINGTALK`: a
    work notification or a DING to listed people, or a card in a group.
    """

    kind: Literal["wecom", "dingtalk", "dingtalk_work", "dingtalk_ding", "dingtalk_card"] = Field(
        description="whose group robot it is, or how a DingTalk robot calls people"
    )
    url: SecretStr = Field(
        default=SecretStr(""), description="a group webhook's address with its key"
    )
    secret: SecretStr = Field(default=SecretStr(""), description="signing secret (DingTalk)")
    tier: Literal["class", "school", "district"] = Field(
        default="district", description="from which step of the ladder this group is called"
    )
    robot: str = Field(
        default="",
        description="name of the DingTalk robot that the other kinds leave through; for a "
        "`dingtalk` webhook: a robot of the organisation in whose month its calls are counted, "
        "empty: in none",
    )
    people: str = Field(
        default="",
        description="staff ids, comma between, for `dingtalk_work` and, 200 at most, for "
        "`dingtalk_ding`; `duty`: whoever is on duty then, by the ids in their accounts",
    )
    group: str = Field(default="", description="openConversationId, for `dingtalk_card`")
    template: str = Field(default="", description="id of the card's template, for `dingtalk_card`")
    home: str = Field(
        default="",
        max_length=64,
        description="scene of the place whose cases this way is for; empty: of all places",
    )
    order: int = Field(
        default=0, description="among the ways that are left when others failed, the lowest first"
    )
    spare: bool = Field(
        default=False, description="called only when no other way got through at a step"
    )

    @property
    def calls_duty(self) -> bool:
        """Say whether it calls whoever is on duty."""
        return self.people.strip().lower() == DUTY

    @property
    def staff_ids(self) -> tuple[str, ...]:
        """Return the listed people, each once; none where it calls whoever is on duty."""
        if self.calls_duty:
            return ()
        parts = (one.strip() for one in self.people.replace("，", ",").split(","))
        return tuple(dict.fromkeys(one for one in parts if one))


class Settings(BaseSettings):
    """Everything that can be set; each field is an environment variable `XINQING_<FIELD>`."""

    model_config = SettingsConfigDict(
        env_prefix="XINQING_", env_nested_delimiter="__", extra="ignore", validate_default=True
    )

    mode: Mode = Field(default=Mode.DEMO, description="demo or live")
    data_dir: Path = Field(default=DEFAULT_DATA_DIR, description="database, index, .env")
    database_url: str = Field(
        default="", description="SQLAlchemy address; empty: SQLite in the data folder"
    )
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8600, ge=1, le=65535, description="port to listen on")
    public_url: str = Field(
        default="",
        description="address parents reach, for links; empty: no links are sent (demo: its own)",
    )
    encoder: str = Field(
        default="default", description="`default`, `none`, or a sentence-transformers folder"
    )
    index: Literal["auto", "flat", "hnsw", "ivf-sq", "ivf-pq"] = Field(
        default="auto",
        description="kind of vector index; `auto`: flat (exact) up to 50,000 passages, hnsw up to "
        "200,000, ivf-sq up to 5,000,000, ivf-pq above",
    )
    handbook: str = Field(
        default="",
        description="folder with the handbook's entries; changes are taken over while the service "
        "runs; empty: the one that ships",
    )
    risk_model: str = Field(
        default="default",
        description="`default`, `none`, or a folder that `xinqing risk-model train` wrote",
    )
    secret_keys: RequiredSecret = Field(
        default=SecretStr(""),
        description="key ring `id:base64,id:base64`; the first encrypts, all decrypt",
    )
    region: str = Field(
        default="",
        description="division code (GB/T 2260) whose hotlines are printed, for example 3212",
    )
    answer_threshold: float = Field(default=-1.0, ge=-1.0, le=1.0, description="-1: as learnt")
    choices_threshold: float = Field(default=-1.0, ge=-1.0, le=1.0, description="-1: as learnt")
    freshness_seconds: int = Field(
        default=600, ge=1, description="how far a callback's time may be from ours"
    )
    worker_inside: bool = Field(
        default=True, description="run the job worker inside `serve` (False: use `work`)"
    )
    worker_slots: int = Field(default=20, ge=1, le=500, description="jobs in flight per worker")
    lease_seconds: float = Field(default=60.0, gt=0, description="how long a job is held")
    sqlite_synchronous: Literal["FULL", "NORMAL"] = Field(
        default="FULL", description="FULL: a stored message survives a power cut"
    )
    second_factor: Literal["auto", "optional", "required"] = Field(
        default="auto",
        description="whether staff who may change other people's data must set up a second factor "
        "at their next login; `auto`: required in live, optional in demo",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="least severity that is written"
    )
    alert_receipt_seconds: int = Field(
        default=90,
        ge=10,
        le=600,
        description="how long a step of the ladder waits for a receipt before the next way is used",
    )
    push_private_key: SecretStr = Field(
        default=SecretStr(""),
        description="VAPID key that wakes the browsers of people on duty, 32 bytes in base64url; "
        "`setup` makes one, empty: no browser push",
    )
    push_subject: str = Field(
        default="mailto:operator@example.org",
        description="`mailto:` or `https:` address by which push services reach the operator",
    )
    push_hosts: str = Field(
        default="", description="further push services that may be called, comma between"
    )
    wechat: dict[str, WechatAccount] = Field(
        default_factory=dict, description="WeChat service accounts by name"
    )
    dingtalk: dict[str, DingtalkRobot] = Field(
        default_factory=dict, description="DingTalk robots by name"
    )
    alert: dict[str, AlertChannel] = Field(
        default_factory=dict, description="ways to wake the people on duty, by name"
    )

    @property
    def url(self) -> str:
        """Return the database address in force."""
        return self.database_url or f"sqlite+aiosqlite:///{self.data_dir / 'xinqing.db'}"

    @property
    def second_factor_required(self) -> bool:
        """Say whether a second factor is demanded."""
        if self.second_factor == "auto":
            return self.mode is Mode.LIVE
        return self.second_factor == "required"


def load_settings(**overrides: object) -> Settings:
    """Read the settings, `.env` of the data folder included; the environment wins over the file.

    Raises:
        ConfigInvalid: names every variable that is missing or wrong, never its value.
    """
    folder = Path(str(overrides.get("data_dir") or os.environ.get("XINQING_DATA_DIR") or "var"))
    values: dict[str, Any] = {"_env_file": folder / ".env", **overrides}
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise ConfigInvalid("; ".join(_problems(error))) from None
    _check_accounts(settings)
    _check_robots(settings)
    _check_alerts(settings)
    return settings


def make_folder(folder: Path) -> None:
    """Make the data folder if it is missing.

    Raises:
        ConfigInvalid: it can't be made, or this account may not write into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise ConfigInvalid(
            f"XINQING_DATA_DIR: {folder} can't be made or written ({error.strerror}); "
            "choose a folder that this account may write into"
        ) from None


def _problems(error: ValidationError) -> list[str]:
    return [
        f"XINQING_{'__'.join(str(part).upper() for part in item['loc'])}: {item['msg']}"
        for item in error.errors(include_input=False, include_url=False)
    ]


def _check_accounts(settings: Settings) -> None:
    for name, account in settings.wechat.items():
        keys = {
            "ENCODING_AES_KEY": account.encoding_aes_key.get_secret_value(),
            "PREVIOUS_ENCODING_AES_KEY": account.previous_encoding_aes_key.get_secret_value(),
        }
        for field, key in keys.items():
            needed = field == "ENCODING_AES_KEY" and account.mode != "plain"
            if (key or needed) and not _is_aes_key(key):
                raise ConfigInvalid(
                    f"XINQING_WECHAT__{name.upper()}__{field}: needs 43 characters, letters and "
                    "digits; copy the EncodingAESKey from the platform's console again"
                )


def _check_robots(settings: Settings) -> None:
    for name, robot in settings.dingtalk.items():
        prefix = f"XINQING_DINGTALK__{name.upper()}__"
        keys = {
            "AES_KEY": robot.aes_key.get_secret_value(),
            "PREVIOUS_AES_KEY": robot.previous_aes_key.get_secret_value(),
        }
        for field, key in keys.items():
            if key and not _is_aes_key(key):
                raise ConfigInvalid(
                    f"{prefix}{field}: needs 43 characters, letters and digits; copy the key of "
                    "the event subscription from the console again"
                )
        if bool(keys["AES_KEY"]) != bool(robot.token.get_secret_value()):
            raise ConfigInvalid(f"{prefix}TOKEN and {prefix}AES_KEY: set both or neither")
    limits: dict[str, tuple[int, int]] = {}
    for name, robot in settings.dingtalk.items():
        mine = (robot.calls_per_month, robot.messages_per_month)
        if limits.setdefault(robot.scope(name), mine) != mine:
            raise ConfigInvalid(
                f"XINQING_DINGTALK__{name.upper()}__CALLS_PER_MONTH and __MESSAGES_PER_MONTH: "
                "robots of one organisation have one quota; give them the same figures"
            )


def _check_alerts(settings: Settings) -> None:
    for name, alert in settings.alert.items():
        prefix = f"XINQING_ALERT__{name.upper()}__"
        if alert.kind in WEBHOOKS:
            if not alert.url.get_secret_value().strip():
                raise ConfigInvalid(f"{prefix}URL: must not be empty")
            continue
        robot = settings.dingtalk.get(alert.robot.lower())
        if robot is None:
            raise ConfigInvalid(f"{prefix}ROBOT: name one of the robots under XINQING_DINGTALK__")
        if alert.kind == "dingtalk_card":
            if not alert.group or not alert.template:
                raise ConfigInvalid(f"{prefix}GROUP and {prefix}TEMPLATE: a card needs both")
            posted = robot.card_secret.get_secret_value() and settings.public_url
            if not robot.stream and not posted:
                raise ConfigInvalid(
                    f"XINQING_DINGTALK__{alert.robot.upper()}__CARD_SECRET and XINQING_PUBLIC_URL: "
                    "without Stream, clicks on a card need both"
                )
        elif not alert.staff_ids and not alert.calls_duty:
            raise ConfigInvalid(
                f"{prefix}PEOPLE: list the staff ids, with commas between, or write duty"
            )
        elif alert.kind == "dingtalk_work" and not robot.agent_id:
            raise ConfigInvalid(
                f"XINQING_DINGTALK__{alert.robot.upper()}__AGENT_ID: needed for work notifications"
            )


def _is_aes_key(key: str) -> bool:
    try:
        return len(key) == 43 and len(base64.b64decode(f"{key}=", validate=True)) == 32
    except ValueError:
        return False
