"""Whose lease it is, and whether that process is gone."""

import os
import subprocess
import sys

from bot.jobs.owner import is_dead, make_owner


def test_a_running_process_is_not_dead() -> None:
    owner = make_owner()
    assert len(owner) <= 80
    assert not is_dead(owner)
    assert make_owner() != owner


def test_a_process_that_has_ended_is_dead() -> None:
    child = subprocess.run(
        [sys.executable, "-c", "from bot.jobs.owner import make_owner; print(make_owner())"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert is_dead(child.stdout.strip())


def test_a_pid_that_was_given_out_again_is_another_process() -> None:
    host, namespace, pid, _, random = make_owner().split("|")
    assert int(pid) == os.getpid()
    assert is_dead(f"{host}|{namespace}|{pid}|1|{random}")


def test_nothing_is_said_about_other_hosts_and_containers_or_given_names() -> None:
    host, namespace, _, started, random = make_owner().split("|")
    assert not is_dead(f"{host}-b|{namespace}|999999999|{started}|{random}")
    assert not is_dead(f"{host}|1|999999999|{started}|{random}")
    assert not is_dead("worker-1")
