"""The pages of one's own account; put together in `bot.web.routes`."""

from bot.web import account
from bot.web.guard import Page

FACTOR = "/account/second-factor"
PAGES: dict[tuple[str, str], Page] = {
    ("GET", FACTOR): account.factor_page,
    ("POST", f"{FACTOR}/begin"): account.begin,
    ("POST", f"{FACTOR}/confirm"): account.confirm,
    ("POST", f"{FACTOR}/codes"): account.codes,
    ("POST", f"{FACTOR}/remove"): account.remove,
    ("GET", "/admin/staff/{staff_id:int}/second-factor"): account.reset_form,
    ("POST", "/admin/staff/{staff_id:int}/second-factor"): account.reset,
}
