"""The one tree of errors that the service raises; every layer raises these, the edge answers them.

Each class says which HTTP status it becomes, whether trying again can help, and which phrase
(`phrases.toml`) a person is shown. Messages name ids and fields, never what a parent wrote.
"""

from datetime import datetime


class XinqingError(Exception):
    """Base of every error the service raises on purpose."""

    status = 500
    retryable = False
    phrase_key = "error.general"


class CallbackRejected(XinqingError):
    """A callback failed its signature, freshness or receive-id check."""

    status = 403
    phrase_key = "error.rejected"


class CallbackMalformed(XinqingError):
    """A callback was signed but can't be parsed."""

    status = 400
    phrase_key = "error.malformed"


class CallbackTooLarge(XinqingError):
    """A callback is longer than the service reads (1 MiB)."""

    status = 413
    phrase_key = "error.too_large"


# Codes of a call that never reached the platform, and of one that may have been taken.
NOT_SENT, UNKNOWN = "not_sent", "unknown"


class ChannelError(XinqingError):
    """A platform's API did not take what was sent."""

    status = 502
    phrase_key = "error.channel"

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class ChannelUnavailable(ChannelError):
    """The platform is down, slow or answers nonsense; the call may be tried again."""

    retryable = True


class ChannelRateLimited(ChannelError):
    """The platform asks to wait.

    Args:
        retry_at: when the lane may send again (aware, UTC).
    """

    retryable = True

    def __init__(self, message: str, *, retry_at: datetime, code: str = "") -> None:
        super().__init__(message, code=code)
        self.retry_at = retry_at


class ChannelRefused(ChannelError):
    """The platform will never take this call (not following, outside the window, bad payload)."""


class NotFound(XinqingError):
    """What was asked for does not exist, or the asker may not know that it does."""

    status = 404
    phrase_key = "error.not_found"


class NotSignedIn(XinqingError):
    """The page needs a signed-in member of staff."""

    status = 401
    phrase_key = "error.not_signed_in"


class NotAllowed(XinqingError):
    """The signed-in person has no right to do this."""

    status = 403
    phrase_key = "error.not_allowed"


class Conflict(XinqingError):
    """Somebody else was faster, or the row has moved on; expected, not an alarm."""

    status = 409
    phrase_key = "error.conflict"


class InputInvalid(XinqingError):
    """A form or file field is wrong.

    Args:
        field: the name of the field that has to be changed.
    """

    status = 422
    phrase_key = "error.invalid"

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class ConfigInvalid(XinqingError):
    """A setting is missing or unusable; the service refuses to start and says which."""
