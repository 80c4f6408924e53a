"""Write docs/rights.md from the tables of rights, routes and jobs, or check that it is current.

Run by `make docs` and, with `--check`, by `make check`, pre-commit and the tests.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from bot.core.acting import Acting, acting
from bot.core.rights import Right, table
from bot.db.models.staff import ROLES
from bot.web.render import label
from bot.web.table import TABLE

PAGE = Path(__file__).parents[1] / "docs" / "rights.md"
HEAD = """\
# Who may do what

<!-- Written by scripts/rights_page.py from bot/core/rights.toml, bot/core/acting.toml and
bot/web/table.py: change it there, then `make docs`. -->

One table decides, and what is not in it is forbidden: an action that is missing does not exist, a
role that is not named may not. Pages, chat commands and jobs ask the same table
(`bot.services.rights`). A role is held at a place of the tree, from a moment until a moment, and
reaches that place and everything below it, never beside or above it: the counselor of one school
is a stranger at the next. When it ends, the next request is refused and open pages stop following.
`tests/web/test_every_route.py` visits every route below as nobody, as each role, and as each role
of another school; the services ask again, with the person and the object, so that a page that
forgets to ask opens nothing (`tests/unit/services/test_case_rights.py`).

What the columns mean:

- **second**: never by the person who asked for it, wrote it or holds it.
- **reason**: is asked for and kept.
- **log**: each use is an entry of the audit trail.
- **factor**: whoever may do this has to set up a second factor where it is demanded
  (`XINQING_SECOND_FACTOR`).
"""
READING = """\
## Reading a minor's record

Reading what one's own work does not show needs leave (Regulations on the Protection of Minors in
Cyberspace, article 36). Somebody asks on `/permits` with a reason; another person of the school's
lead or the district gives it for 1 to 72 hours. It ends by itself, and earlier when either gives it
back or the role ends. Where a child's safety can't wait, the glass is broken: reading begins at
once with a reason and ends after 60 minutes, an alarm is raised, and another person has to judge
it afterwards. Every single showing is in the audit trail with the number of the permit.

## The second factor

A code of an authenticator app (TOTP, RFC 6238: 30 seconds, one step of tolerance, no code twice)
after the password, or one of ten recovery codes, each once. After five wrong codes in a day every
further one waits, up to five minutes. Who has neither phone nor codes is set back by an
administrator of all their places, with a reason, or at the machine by
`xinqing staff reset-second-factor`. Whoever changes the password or the second factor is signed out
everywhere else.
"""


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` compare it; return the exit status."""
    text = page()
    if "--check" not in arguments:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print("docs/rights.md is not current; run: make docs", file=sys.stderr)
    return 1


def page() -> str:
    """Return the page's text as it should be."""
    return "\n".join([HEAD, *_matrix(), "", READING, *_routes(), "", *_acting()]) + "\n"


def _matrix() -> Iterator[str]:
    yield "## Actions and roles\n"
    names = [f"{label('role', role)} `{role}`" for role in ROLES]
    columns = ["action", "what", *names, "reach", "second", "reason", "log", "factor"]
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * 2}{':-:|' * (len(columns) - 2)}"
    for line in table().values():
        yield f"| {' | '.join(_cells(line))} |"


def _cells(line: Right) -> Iterator[str]:
    yield f"`{line.action}`"
    yield line.what
    for role in ROLES:
        yield (line.narrow.get(role) or "✓") if role in line.roles else ""
    yield line.reach
    yield from (
        "✓" if flag else "" for flag in (line.second, line.reason, line.logged, line.factor)
    )


def _routes() -> Iterator[str]:
    yield "## Routes of each action\n"
    yield "Whether an object is within reach the page asks besides; the answer is 404.\n"
    yield "| action | routes |"
    yield "|---|---|"
    for action in table():
        found = [f"`{m} {path}`" for (m, path), access in TABLE.items() if access.action == action]
        yield f"| `{action}` | {'<br>'.join(found) or 'no page of its own'} |"
    public = [f"`{m} {p}`" for (m, p), a in TABLE.items() if a.anyone and not a.demo]
    demo = [f"`{m} {p}`" for (m, p), a in TABLE.items() if a.demo]
    yield f"| anyone, without a login | {'<br>'.join(public)} |"
    yield f"| anyone, in the demonstration only | {'<br>'.join(demo)} |"


def _acting() -> Iterator[str]:
    yield "## Jobs and chat commands\n"
    yield "What is no route names its right as well, or says why it needs none. Handlers that are"
    yield "not here answer parents and reach nothing of the staff's.\n"
    yield "| job or handler | right | when it is asked for, or why not |"
    yield "|---|---|---|"
    for name, line in acting("handlers").items():
        if line.action:
            yield _acting_row(f"handler `{name}`", line)
    for name, line in acting("jobs").items():
        yield _acting_row(f"`{name}`", line)


def _acting_row(name: str, line: Acting) -> str:
    action = f"`{line.action}`" if line.action else "the service itself"
    return f"| {name} | {action} | {line.asked or line.why} |"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
