"""The pages of tree, people and imports; put together in `bot.web.routes`."""

from bot.web import imports, move_up, people, requests, staffing, tree
from bot.web.access_people import CHILD, IMPORT, PERSON, PLACE
from bot.web.guard import Page

PAGES: dict[tuple[str, str], Page] = {
    ("GET", "/admin/tree"): tree.tree_page,
    ("GET", "/admin/tree/move-up"): move_up.move_up_page,
    ("POST", "/admin/tree/move-up"): move_up.carry_out,
    ("GET", PLACE): tree.place_page,
    ("POST", f"{PLACE}/create"): tree.create,
    ("POST", f"{PLACE}/rename"): tree.rename,
    ("POST", f"{PLACE}/move"): tree.move,
    ("POST", f"{PLACE}/merge"): tree.merge,
    ("POST", f"{PLACE}/close"): tree.close,
    ("POST", f"{PLACE}/undo"): tree.undo,
    ("GET", "/admin/staff"): staffing.staff_page,
    ("POST", "/admin/staff"): staffing.create,
    ("GET", PERSON): staffing.one_page,
    ("POST", f"{PERSON}/grant"): staffing.grant,
    ("POST", f"{PERSON}/revoke"): staffing.revoke,
    ("POST", f"{PERSON}/password"): staffing.reset_password,
    ("POST", f"{PERSON}/leave"): staffing.leave,
    ("POST", f"{PERSON}/return"): staffing.come_back,
    ("GET", "/admin/people"): people.classes_page,
    ("POST", "/admin/people"): people.search,
    ("GET", CHILD): people.child_page,
    ("POST", f"{CHILD}/move"): people.move,
    ("POST", f"{CHILD}/leave"): people.leave,
    ("POST", f"{CHILD}/guardians/{{tie_id:int}}"): people.change_guardian,
    ("POST", f"{CHILD}/guardians/{{tie_id:int}}/block"): people.set_block,
    ("GET", "/admin/import"): imports.list_page,
    ("POST", "/admin/import"): imports.upload,
    ("POST", "/admin/import/dingtalk"): imports.read_directory,
    ("GET", "/admin/import/template"): imports.template_file,
    ("GET", IMPORT): imports.one_page,
    ("GET", f"{IMPORT}/progress"): imports.progress,
    ("GET", f"{IMPORT}/report"): imports.report_file,
    ("POST", f"{IMPORT}/apply"): imports.apply,
    ("POST", f"{IMPORT}/undo"): imports.undo,
    ("GET", "/admin/requests"): requests.list_page,
    ("POST", "/admin/requests/{request_id:int}/answer"): requests.answer,
}
