"""Pages and their paths. Worries and care tasks of class teachers, browsers that are woken."""

from collections.abc import Mapping

from bot.web import care, push, worries
from bot.web.access_care import BROWSER, CARE_TASK, OWN_TASK, WORRY_ANSWER, WORRY_CLASS
from bot.web.guard import Page

PAGES: Mapping[tuple[str, str], Page] = {
    ("GET", "/teacher/worries"): worries.list_page,
    ("GET", WORRY_CLASS): worries.class_page,
    ("POST", WORRY_CLASS): worries.raise_,
    ("POST", WORRY_ANSWER): worries.answer,
    ("GET", "/desk/push"): push.page,
    ("POST", "/desk/push"): push.sign_up,
    ("POST", "/desk/push/try"): push.try_out,
    ("POST", f"{BROWSER}/end"): push.sign_off,
    ("GET", "/teacher/care"): care.board,
    ("POST", f"{OWN_TASK}/seen"): care.seen,
    ("POST", f"{OWN_TASK}/done"): care.done,
    ("POST", f"{OWN_TASK}/answer"): care.answer,
    ("POST", "/desk/cases/{case_id:int}/care"): care.give,
    ("POST", CARE_TASK): care.withdraw,
}
