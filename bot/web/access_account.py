"""Who may call the pages of one's own account; put together in `bot.web.table`."""

from collections.abc import Mapping

from bot.web.access import OWN_FACTOR, Access, for_action

ACCOUNT: Mapping[tuple[str, str], Access] = {
    ("GET", "/account/second-factor"): OWN_FACTOR,
    ("POST", "/account/second-factor/begin"): OWN_FACTOR,
    ("POST", "/account/second-factor/confirm"): OWN_FACTOR,
    ("POST", "/account/second-factor/codes"): OWN_FACTOR,
    ("POST", "/account/second-factor/remove"): OWN_FACTOR,
    ("GET", "/permits"): for_action("record.own"),
    ("POST", "/permits"): for_action("record.read"),
    ("POST", "/permits/now"): for_action("record.break_glass"),
    ("POST", "/permits/{permit_id:int}/approve"): for_action("record.approve"),
    ("POST", "/permits/{permit_id:int}/refuse"): for_action("record.approve"),
    ("POST", "/permits/{permit_id:int}/review"): for_action("record.approve"),
    ("POST", "/permits/{permit_id:int}/end"): for_action("record.own"),
    ("GET", "/permits/{permit_id:int}/record"): for_action("record.own"),
    ("GET", "/admin/staff/{staff_id:int}/second-factor"): for_action("factor.reset"),
    ("POST", "/admin/staff/{staff_id:int}/second-factor"): for_action("factor.reset"),
}
