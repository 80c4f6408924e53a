"""Who may call the pages of audit, holds and forgetting; put together in `bot.web.table`."""

from collections.abc import Mapping

from bot.web.access import Access, for_action

RECORDS: Mapping[tuple[str, str], Access] = {
    ("GET", "/admin/audit"): for_action("audit.read"),
    ("POST", "/admin/audit/export"): for_action("audit.read"),
    ("GET", "/admin/retention"): for_action("retention.read"),
    ("POST", "/admin/retention/holds"): for_action("hold.change"),
    ("POST", "/admin/retention/holds/{hold_id:int}/agree"): for_action("hold.change"),
    ("POST", "/admin/retention/holds/{hold_id:int}/end"): for_action("hold.change"),
}
