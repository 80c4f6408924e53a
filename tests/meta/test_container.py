"""Dockerfile and compose.yaml can't run in the tests; they are read and held to the settings."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from repository import ROOT

from bot.config import Settings
from bot.wiring.answers import SEED
from scripts import settings_page

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")
PORT = Settings.model_fields["port"].default
INSTRUCTIONS = re.compile("FROM|WORKDIR|COPY|RUN|ENV|USER|VOLUME|EXPOSE|HEALTHCHECK|ENTRYPOINT|CMD")


def _steps() -> list[tuple[str, str]]:
    """Return the instructions with their arguments, continued lines joined."""
    joined = re.sub(r"\\\n\s*", " ", DOCKERFILE)
    lines = [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1].strip()) for line in lines]


def _last_stage() -> list[tuple[str, str]]:
    steps = _steps()
    start = max(number for number, (word, _) in enumerate(steps) if word == "FROM")
    return steps[start:]


def _argument(word: str) -> str:
    return [argument for name, argument in _last_stage() if name == word][-1]


def _compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(COMPOSE)
    return read


def _environment() -> dict[str, str]:
    return dict(re.findall(r"(\w+)=(\S+)", _argument("ENV")))


def test_dockerfile_has_two_stages_and_known_instructions() -> None:
    words = [word for word, _ in _steps()]
    assert [word for word in words if not INSTRUCTIONS.fullmatch(word)] == []
    assert words.count("FROM") == 2
    assert all("python:3.11-slim" in argument for word, argument in _steps() if word == "FROM")


def test_what_is_copied_exists_and_reaches_the_builder() -> None:
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [argument.split()[:-1] for word, argument in _steps() if word == "COPY"]
    for name in [name for names in copied for name in names if not name.startswith(("-", "/"))]:
        assert (ROOT / name).exists()
        assert f"!{name}" in kept


def test_container_does_not_run_as_root_and_keeps_its_data_in_a_volume() -> None:
    assert _argument("USER") not in ("root", "0")
    words = [word for word, _ in _last_stage()]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert _argument("VOLUME") == _environment()["XINQING_DATA_DIR"]


def test_container_names_settings_that_exist() -> None:
    named = set(re.findall(r"XINQING_\w+", DOCKERFILE + COMPOSE))
    assert named <= set(settings_page.variables())


def test_ports_agree() -> None:
    assert _environment()["XINQING_PORT"] == _argument("EXPOSE") == str(PORT)
    published = [
        port for service in _compose()["services"].values() for port in service.get("ports", [])
    ]
    assert published == [f"127.0.0.1:{PORT}:{PORT}"] * 2, "published on this machine only"


def test_health_check_asks_the_health_route() -> None:
    # The route is a constant of bot.app, which tests/web asks over HTTP.
    assert 'Route("/health"' in (ROOT / "bot" / "app.py").read_text(encoding="utf-8")
    program, flag, code = json.loads(_argument("HEALTHCHECK").split("CMD", 1)[1])
    assert (program, flag) == ("python", "-c")
    compile(code, "HEALTHCHECK", "exec")
    assert "/health" in code
    assert "XINQING_PORT" in code


@pytest.mark.parametrize("service", ["setup", "app", "setup-postgresql", "web", "worker"])
def test_service_is_closed_up(service: str) -> None:
    found = _compose()["services"][service]
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert any(volume.endswith(":/data") for volume in found["volumes"])


def test_default_is_one_service_on_sqlite() -> None:
    started = {
        name for name, service in _compose()["services"].items() if not service.get("profiles")
    }
    assert started == {"setup", "app"}
    assert "XINQING_DATABASE_URL" not in _compose()["services"]["app"]["environment"]


def test_postgresql_profile_has_a_worker_of_its_own() -> None:
    services = _compose()["services"]
    for name in ("web", "worker", "setup-postgresql"):
        assert services[name]["profiles"] == ["postgresql"]
        assert services[name]["environment"]["XINQING_WORKER_INSIDE"] == "false"
        url = services[name]["environment"]["XINQING_DATABASE_URL"]
        assert url.startswith("postgresql+psycopg://")
        assert "@database/" in url
    assert services["worker"]["command"] == ["work"]


def test_no_secret_stands_in_the_files() -> None:
    for text in (DOCKERFILE, COMPOSE):
        assert not re.search(
            r"(SECRET|TOKEN|AES_KEY|PASSWORD)\w*[=:]\s*[\"']?[A-Za-z0-9+/]{6,}", text
        )


def test_the_image_holds_the_vectors_where_the_service_looks_for_them() -> None:
    (build,) = [
        argument for word, argument in _steps() if word == "RUN" and "xinqing index" in argument
    ]
    folder = re.findall(r"XINQING_DATA_DIR=(\S+)", build)[0]
    assert folder.startswith("/opt/xinqing/")
    assert SEED.relative_to(sys.prefix) == Path(folder, "index").relative_to("/opt/xinqing")
