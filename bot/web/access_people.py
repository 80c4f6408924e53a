"""Who may call the pages of tree, people and imports; put together in `bot.web.table`."""

from collections.abc import Mapping

from bot.services.excel import FILE_BYTES
from bot.web.access import Access, for_action

PLACE = "/admin/tree/{place_id:int}"
PERSON = "/admin/staff/{staff_id:int}"
CHILD = "/admin/people/{child_id:int}"
IMPORT = "/admin/import/{batch_id:int}"
PEOPLE: Mapping[tuple[str, str], Access] = {
    ("GET", "/admin/tree"): for_action("place.read"),
    ("GET", "/admin/tree/move-up"): for_action("place.move_up"),
    ("POST", "/admin/tree/move-up"): for_action("place.move_up"),
    ("GET", PLACE): for_action("place.read"),
    ("POST", f"{PLACE}/create"): for_action("place.change"),
    ("POST", f"{PLACE}/rename"): for_action("place.change"),
    ("POST", f"{PLACE}/move"): for_action("place.change"),
    ("POST", f"{PLACE}/merge"): for_action("place.change"),
    ("POST", f"{PLACE}/close"): for_action("place.change"),
    ("POST", f"{PLACE}/undo"): for_action("place.move_up"),
    ("GET", "/admin/staff"): for_action("staff.read"),
    ("POST", "/admin/staff"): for_action("staff.change"),
    ("GET", PERSON): for_action("staff.read"),
    ("POST", f"{PERSON}/grant"): for_action("role.grant"),
    ("POST", f"{PERSON}/revoke"): for_action("role.grant"),
    ("POST", f"{PERSON}/password"): for_action("staff.change"),
    ("POST", f"{PERSON}/dingtalk"): for_action("staff.change"),
    ("POST", f"{PERSON}/leave"): for_action("staff.change"),
    ("POST", f"{PERSON}/return"): for_action("staff.change"),
    ("GET", "/admin/people"): for_action("people.list"),
    ("POST", "/admin/people"): for_action("people.list"),
    ("GET", "/admin/people/new"): for_action("people.change"),
    ("POST", "/admin/people/new"): for_action("people.change"),
    ("GET", CHILD): for_action("people.list"),
    ("POST", f"{CHILD}/move"): for_action("people.change"),
    ("POST", f"{CHILD}/leave"): for_action("people.change"),
    ("POST", f"{CHILD}/change"): for_action("people.change"),
    ("POST", f"{CHILD}/guardians"): for_action("people.change"),
    ("POST", f"{CHILD}/guardians/{{tie_id:int}}/person"): for_action("people.change"),
    ("POST", f"{CHILD}/guardians/{{tie_id:int}}/end"): for_action("people.change"),
    ("POST", f"{CHILD}/guardians/{{tie_id:int}}"): for_action("people.change"),
    ("POST", f"{CHILD}/guardians/{{tie_id:int}}/block"): for_action("people.change"),
    ("GET", "/admin/import"): for_action("people.import"),
    ("POST", "/admin/import"): Access("people.import", file_bytes=FILE_BYTES),
    ("POST", "/admin/import/dingtalk"): for_action("people.import"),
    ("GET", "/admin/import/template"): for_action("people.import"),
    ("GET", IMPORT): for_action("people.import"),
    ("GET", f"{IMPORT}/progress"): for_action("people.import", by_itself=True),
    ("GET", f"{IMPORT}/report"): for_action("people.import"),
    ("POST", f"{IMPORT}/choose"): for_action("people.import"),
    ("POST", f"{IMPORT}/apply"): for_action("people.import"),
    ("POST", f"{IMPORT}/undo"): for_action("people.import"),
    ("GET", "/admin/requests"): for_action("request.decide"),
    ("POST", "/admin/requests/{request_id:int}/answer"): for_action("request.decide"),
    ("GET", "/admin/consents"): for_action("consent.read"),
    ("GET", "/admin/consents/export"): for_action("consent.read"),
}
