"""Pages and their paths. The file of a case: forms, people told, attachments, prints."""

from collections.abc import Mapping

from bot.web import case_files, case_forms, form_editor, prints
from bot.web.guard import Page

_CASE = "/desk/cases/{case_id:int}"
_FORM = f"{_CASE}/forms/{{form_id:int}}"
_FILE = f"{_CASE}/attachments/{{attachment_id:int}}"
_DEFINITION = "/desk/forms/{place_id:int}/{form_kind}"

PAGES: Mapping[tuple[str, str], Page] = {
    ("POST", f"{_CASE}/told"): case_files.tell,
    ("POST", f"{_CASE}/forms"): case_forms.begin,
    ("GET", _FORM): case_forms.form_page,
    ("POST", _FORM): case_forms.write,
    ("POST", f"{_FORM}/amend"): case_forms.amend,
    ("POST", f"{_FORM}/discard"): case_forms.discard,
    ("POST", f"{_FORM}/print"): prints.form_print,
    ("GET", f"{_CASE}/print"): prints.ask_page,
    ("POST", f"{_CASE}/print"): prints.case_print,
    ("POST", f"{_CASE}/attachments"): case_files.attach,
    ("GET", _FILE): case_files.attachment,
    ("POST", f"{_FILE}/remove"): case_files.remove,
    ("GET", "/desk/forms"): form_editor.list_page,
    ("GET", _DEFINITION): form_editor.edit_page,
    ("POST", _DEFINITION): form_editor.edit,
}
