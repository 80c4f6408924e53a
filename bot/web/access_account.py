"""Who may call the pages of one's own account; put together in `bot.web.table`."""

from collections.abc import Mapping

from bot.web.access import OWN_FACTOR, Access, for_action

ACCOUNT: Mapping[tuple[str, str], Access] = {
    ("GET", "/account/second-factor"): OWN_FACTOR,
    ("POST", "/account/second-factor/begin"): OWN_FACTOR,
    ("POST", "/account/second-factor/confirm"): OWN_FACTOR,
    ("POST", "/account/second-factor/codes"): OWN_FACTOR,
    ("POST", "/account/second-factor/remove"): OWN_FACTOR,
    ("GET", "/admin/staff/{staff_id:int}/second-factor"): for_action("factor.reset"),
    ("POST", "/admin/staff/{staff_id:int}/second-factor"): for_action("factor.reset"),
}
