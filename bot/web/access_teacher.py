"""Who may call the pages of notices, courses, bindings; put together in `bot.web.table`."""

from collections.abc import Mapping

from bot.web.access import Access, for_action

NOTICE = "/teacher/notices/{notice_id:int}"
BINDING = "/teacher/bindings/{binding_id:int}"
COURSE = "/teacher/courses/{course_id:int}"

TEACHER: Mapping[tuple[str, str], Access] = {
    ("GET", "/teacher"): for_action("notice.read"),
    ("GET", "/teacher/notices"): for_action("notice.read"),
    ("POST", "/teacher/notices"): for_action("notice.write", form_bytes=2 * 1024 * 1024),
    ("GET", "/teacher/notices/new"): for_action("notice.write"),
    ("GET", NOTICE): for_action("notice.read"),
    ("GET", f"{NOTICE}/live"): for_action("notice.read", by_itself=True),
    ("POST", f"{NOTICE}/send"): for_action("notice.write"),
    ("POST", f"{NOTICE}/discard"): for_action("notice.write"),
    ("POST", f"{NOTICE}/remind"): for_action("notice.write"),
    ("POST", f"{NOTICE}/withdraw"): for_action("notice.write"),
    ("POST", f"{NOTICE}/children/{{child_id:int}}/confirm"): for_action("people.phone"),
    ("GET", f"{NOTICE}/phones"): for_action("people.phone"),
    ("GET", "/teacher/bindings"): for_action("binding.decide"),
    ("POST", f"{BINDING}/agree"): for_action("binding.decide"),
    ("POST", f"{BINDING}/refuse"): for_action("binding.decide"),
    ("POST", f"{BINDING}/withdraw"): for_action("binding.decide"),
    ("GET", "/teacher/classes/{class_id:int}/code"): for_action("binding.decide"),
    ("GET", "/teacher/classes/{class_id:int}/slips"): for_action("binding.decide"),
    ("POST", "/teacher/classes/{class_id:int}/slips"): for_action("binding.decide"),
    ("GET", "/teacher/courses"): for_action("course.read"),
    ("POST", "/teacher/courses"): for_action("course.change"),
    ("GET", "/teacher/courses/new"): for_action("course.change"),
    ("GET", COURSE): for_action("course.read"),
    ("GET", f"{COURSE}/edit"): for_action("course.change"),
    ("POST", f"{COURSE}/edit"): for_action("course.change"),
    ("POST", f"{COURSE}/open"): for_action("course.change"),
    ("POST", f"{COURSE}/close"): for_action("course.change"),
    ("POST", f"{COURSE}/cancel"): for_action("course.change"),
    ("POST", f"{COURSE}/export"): for_action("people.list"),
}
