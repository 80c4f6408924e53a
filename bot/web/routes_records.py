"""The pages of audit, holds and forgetting; put together in `bot.web.routes`."""

from bot.web import records, retention
from bot.web.guard import Page

PAGES: dict[tuple[str, str], Page] = {
    ("GET", "/admin/audit"): records.audit_page,
    ("POST", "/admin/audit/export"): records.export_audit,
    ("GET", "/admin/retention"): retention.retention_page,
    ("POST", "/admin/retention/holds"): retention.set_hold,
    ("POST", "/admin/retention/holds/{hold_id:int}/agree"): retention.agree_hold,
    ("POST", "/admin/retention/holds/{hold_id:int}/end"): retention.end_hold,
}
