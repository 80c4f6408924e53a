"""The pages of notices, courses, bindings; put together in `bot.web.routes`."""

from bot.web import bindings, courses, notice_states, notices, slips, teacher
from bot.web.access_teacher import BINDING, COURSE, NOTICE
from bot.web.guard import Page

PAGES: dict[tuple[str, str], Page] = {
    ("GET", "/teacher"): teacher.start,
    ("GET", "/teacher/notices"): notices.list_page,
    ("POST", "/teacher/notices"): notices.save,
    ("GET", "/teacher/notices/new"): notices.new_page,
    ("GET", NOTICE): notice_states.page,
    ("GET", f"{NOTICE}/live"): notice_states.live,
    ("POST", f"{NOTICE}/send"): notices.send,
    ("POST", f"{NOTICE}/discard"): notices.discard,
    ("POST", f"{NOTICE}/remind"): notice_states.remind,
    ("POST", f"{NOTICE}/withdraw"): notice_states.withdraw,
    ("POST", f"{NOTICE}/children/{{child_id:int}}/confirm"): notice_states.confirmed_by_phone,
    ("GET", f"{NOTICE}/phones"): notice_states.phones,
    ("GET", "/teacher/bindings"): bindings.list_page,
    ("POST", f"{BINDING}/agree"): bindings.agree,
    ("POST", f"{BINDING}/refuse"): bindings.refuse,
    ("POST", f"{BINDING}/withdraw"): bindings.withdraw,
    ("GET", "/teacher/classes/{class_id:int}/code"): bindings.code_page,
    ("GET", "/teacher/classes/{class_id:int}/slips"): slips.page,
    ("POST", "/teacher/classes/{class_id:int}/slips"): slips.print_,
    ("GET", "/teacher/courses"): courses.list_page,
    ("POST", "/teacher/courses"): courses.create,
    ("GET", "/teacher/courses/new"): courses.new_page,
    ("GET", COURSE): courses.course_page,
    ("GET", f"{COURSE}/edit"): courses.edit_page,
    ("POST", f"{COURSE}/edit"): courses.edit,
    ("POST", f"{COURSE}/open"): courses.open_,
    ("POST", f"{COURSE}/close"): courses.close,
    ("POST", f"{COURSE}/cancel"): courses.cancel,
    ("POST", f"{COURSE}/export"): courses.export,
}
