"""Who may call which page. The file of a case: forms, people told, attachments, prints."""

from collections.abc import Mapping

from bot.services.file_types import MOST_BYTES
from bot.web.access import CASE, CASE_TEXT, CASE_WORK, Access

_CASE = "/desk/cases/{case_id:int}"
_FORM = f"{_CASE}/forms/{{form_id:int}}"
_FILE = f"{_CASE}/attachments/{{attachment_id:int}}"
_DEFINITION = "/desk/forms/{place_id:int}/{form_kind}"
# Each field of a form has some boxes: the longest sends about four hundred.
_FILL = Access("case.work", form_bytes=4 * 1024 * 1024, form_fields=600)
_EDIT = Access("form.change", form_bytes=1024 * 1024, form_fields=600)
# A little more than is kept: then the page can say how much is too much.
_UPLOAD = Access("case.work", file_bytes=2 * MOST_BYTES)

FILES: Mapping[tuple[str, str], Access] = {
    ("POST", f"{_CASE}/told"): CASE_TEXT,
    ("POST", f"{_CASE}/forms"): CASE_WORK,
    ("GET", _FORM): CASE,
    ("POST", _FORM): _FILL,
    ("POST", f"{_FORM}/amend"): CASE_WORK,
    ("POST", f"{_FORM}/discard"): CASE_WORK,
    ("POST", f"{_FORM}/print"): CASE_WORK,
    ("GET", f"{_CASE}/print"): CASE,
    ("POST", f"{_CASE}/print"): CASE_WORK,
    ("POST", f"{_CASE}/attachments"): _UPLOAD,
    ("GET", _FILE): CASE,
    ("POST", f"{_FILE}/remove"): CASE_WORK,
    ("GET", "/desk/forms"): Access("form.change"),
    ("GET", _DEFINITION): Access("form.change"),
    ("POST", _DEFINITION): _EDIT,
}
