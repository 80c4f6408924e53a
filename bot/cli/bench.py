"""`xinqing bench`: speed, measured from outside; one JSON object each."""

import typer

app = typer.Typer(no_args_is_help=True)
