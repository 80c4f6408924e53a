"""One web process of several: `python -m bot.cli.child <socket number>`, started by `serve`."""

import sys

from bot.cli import guarded
from bot.cli.serving import serve_socket

if __name__ == "__main__":
    guarded(lambda: serve_socket(int(sys.argv[1])))
