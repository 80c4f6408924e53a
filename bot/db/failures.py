"""What a log may say of an error: its type, and the database's own code where there is one.

The text of an exception may hold what a parent wrote, so it is never logged.
"""

from sqlalchemy.exc import DBAPIError


def kind_of(error: BaseException) -> str:
    """Return an error's type, with the SQLSTATE behind it (`OperationalError 40P01`).

    Source: https://www.postgresql.org/docs/15/errcodes-appendix.html.
    """
    name = type(error).__name__
    cause = error.orig if isinstance(error, DBAPIError) else None
    code = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None)
    return f"{name} {code}" if code else name
