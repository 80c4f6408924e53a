"""The pages of one's own account; put together in `bot.web.routes`."""

from bot.web import account, permits
from bot.web.guard import Page

FACTOR = "/account/second-factor"
PERMIT = "/permits/{permit_id:int}"
PAGES: dict[tuple[str, str], Page] = {
    ("GET", FACTOR): account.factor_page,
    ("POST", f"{FACTOR}/begin"): account.begin,
    ("POST", f"{FACTOR}/confirm"): account.confirm,
    ("POST", f"{FACTOR}/codes"): account.codes,
    ("POST", f"{FACTOR}/remove"): account.remove,
    ("GET", "/permits"): permits.permits_page,
    ("POST", "/permits"): permits.ask,
    ("POST", "/permits/now"): permits.break_glass,
    ("POST", f"{PERMIT}/approve"): permits.approve,
    ("POST", f"{PERMIT}/refuse"): permits.refuse,
    ("POST", f"{PERMIT}/review"): permits.review,
    ("POST", f"{PERMIT}/end"): permits.end,
    ("GET", f"{PERMIT}/record"): permits.record_page,
    ("GET", "/admin/staff/{staff_id:int}/second-factor"): account.reset_form,
    ("POST", "/admin/staff/{staff_id:int}/second-factor"): account.reset,
}
