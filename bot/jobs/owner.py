"""Who holds a lease, and whether that process of this host is still alive.

A restarted service takes back what its predecessor held at once, instead of waiting for the leases
to run out. Called by the worker at its start.
"""

import os
import socket
import sys
from pathlib import Path
from secrets import token_hex

_START_TIME = 19  # field 22 of /proc/<pid>/stat, counted from behind the process's name


def make_owner() -> str:
    """Return a new name for a worker of this process: `host|pid namespace|pid|start|random`."""
    return "|".join((_host(), _namespace(), str(os.getpid()), _started(os.getpid()), token_hex(4)))


def is_dead(owner: str) -> bool:
    """Tell whether an owner was a process of this very host that is gone.

    Containers that share a host name have different pid namespaces: nothing is known about those,
    and their leases run out by themselves. A pid that was given out again has another start time.
    """
    parts = owner.split("|")
    if sys.platform == "win32" or len(parts) != 5 or not parts[2].isdigit():
        return False
    host, namespace, pid, started, _ = parts
    if (host, namespace) != (_host(), _namespace()):
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    return _started(int(pid)) != started


def _host() -> str:
    return socket.gethostname().replace("|", "-")[:32]


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        return "0"


def _started(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "0"
    return stat.rpartition(")")[2].split()[_START_TIME]
