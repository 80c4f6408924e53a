"""What it takes to call a page. Which page takes what stands in `bot.web.table`."""

from dataclasses import dataclass

from bot.core.errors import NotAllowed, NotFound, NotSignedIn
from bot.core.rights import right
from bot.services import rights
from bot.services.staff import StaffView


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call one route: whoever may do its action somewhere, or anyone.

    Where a person may do it the page asks itself, with `bot.services.rights.require`.

    Args:
        action: a line of `bot.core.rights.toml`; empty only where `anyone` may call.
        anyone: no login is needed.
        by_itself: the page calls it without a person doing anything; it does not keep a login
            from becoming idle, and a refusal is answered in place instead of by the login page.
        demo: exists in demo mode only.
        unchanged_password: may be called before the one-time password is changed.
        without_factor: may be called before a second factor that is demanded has been set up.
        before_code: may be called when the password was right and the code is still missing.
        form_bytes: how long a form may be as it is sent; a Chinese character takes nine.
        form_fields: how many fields a form may have.
        file_bytes: how long a file beside the form's fields may be; 0: the page takes none.
    """

    action: str = ""
    anyone: bool = False
    by_itself: bool = False
    demo: bool = False
    unchanged_password: bool = False
    without_factor: bool = False
    before_code: bool = False
    form_bytes: int = 64 * 1024
    form_fields: int = 50
    file_bytes: int = 0

    def __post_init__(self) -> None:
        """Refuse a line that names neither an action nor anyone, or both.

        Raises:
            ValueError: what the page takes can't be told from it.
            ConfigInvalid: there is no such action.
        """
        if bool(self.action) == self.anyone:
            raise ValueError("a page needs an action, or to be open to anyone")
        if self.action:
            right(self.action)

    @property
    def roles(self) -> frozenset[str]:
        """Return the roles of which any is enough; empty: no role is needed."""
        if self.anyone or right(self.action).reach == "self":
            return frozenset()
        return right(self.action).roles

    def check(self, caller: StaffView | None, mode: str) -> None:
        """Let a caller pass or raise.

        Raises:
            NotFound: the page does not exist in this mode.
            NotSignedIn: nobody has signed in.
            NotAllowed: none of the caller's roles may call it.
        """
        if self.demo and mode != "demo":
            raise NotFound("demo only")
        if self.anyone:
            return
        if caller is None:
            raise NotSignedIn("not signed in")
        if not rights.may(caller, self.action):
            raise NotAllowed("no role for this page")


def for_action(action: str, *, by_itself: bool = False, form_bytes: int = 64 * 1024) -> Access:
    """Return the access of a page for whoever may do an action somewhere (`bot.core.rights`)."""
    return Access(action, by_itself=by_itself, form_bytes=form_bytes)


PUBLIC = Access(anyone=True)
OWN_ACCOUNT = Access("account.own")
OWN_PASSWORD = Access("account.own", unchanged_password=True, without_factor=True)
OWN_FACTOR = Access("account.own", without_factor=True)
OWN_CODE = Access("account.own", unchanged_password=True, without_factor=True, before_code=True)
DESK = Access("case.summary")
DESK_BY_ITSELF = Access("case.summary", by_itself=True)
CASE = Access("case.read")
CASE_BY_ITSELF = Access("case.read", by_itself=True)
CASE_WORK = Access("case.work")
# Room for a text far beyond its bound: then the page can say so, and give it back.
CASE_TEXT = Access("case.work", form_bytes=1024 * 1024)
RULES = Access("rules.read")
RULES_BY_ITSELF = Access("rules.read", by_itself=True)
RULES_DRAFT = Access("rules.draft")
RULES_TEXT = Access("rules.draft", form_bytes=2 * 1024 * 1024)
SECOND = Access("rules.judge")
# Replays and shadows read the messages of every school; what is published judges all of them.
RULES_DISTRICT = Access("rules.publish")
OPERATOR = Access("alarm.clear")
DEMO = Access(anyone=True, demo=True)
