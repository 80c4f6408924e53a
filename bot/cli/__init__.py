"""The `xinqing` command: set up, run, ask, judge, measure.

Batch forms write JSON Lines on standard output and nothing else there; everything for people goes
to standard error or is the command's own printout.
"""

import sys
from collections.abc import Callable

import typer

from bot.cli import (
    audit,
    batch,
    bench,
    doctor,
    handbook,
    hotlines,
    move,
    people,
    quality,
    retention,
    risk_model,
    serving,
    setup,
    simulate,
    staff,
    why,
)
from bot.core.errors import XinqingError
from knowledge.errors import KnowledgeError

app = typer.Typer(
    name="xinqing", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
serving.add(app)
setup.add(app)
batch.add(app)
why.add(app)
doctor.add(app)
handbook.add(app)
move.add(app)
simulate.add(app)
app.add_typer(quality.app, name="eval", help="Measure search and the risk screen.")
app.add_typer(risk_model.app, name="risk-model", help="The classifier beside the risk rules.")
app.add_typer(bench.app, name="bench", help="Measure speed; one JSON object each.")
app.add_typer(hotlines.app, name="hotlines", help="The numbers that replies print.")
app.add_typer(audit.app, name="audit", help="Check and export the audit trail.")
app.add_typer(retention.app, name="retention", help="Forget what is over its time.")
app.add_typer(people.app, name="people", help="Children and guardians: import a file.")
app.add_typer(staff.app, name="staff", help="Members of staff and their passwords.")


def main() -> None:
    """Run the command."""
    guarded(app)


def guarded(run: Callable[[], object]) -> None:
    """Run something; an expected error is one line on standard error and exit status 2."""
    try:
        run()
    except (XinqingError, KnowledgeError) as error:
        print(f"xinqing: {error}", file=sys.stderr)
        raise SystemExit(2) from None
