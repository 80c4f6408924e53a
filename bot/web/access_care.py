"""Who may call which page. Worries and care tasks of class teachers, browsers that are woken."""

from collections.abc import Mapping

from bot.web.access import Access, for_action

WORRY_CLASS = "/teacher/classes/{class_id:int}/worry"
WORRY_ANSWER = "/desk/cases/{case_id:int}/worries/{worry_id:int}/answer"
CARE_TASK = "/desk/cases/{case_id:int}/care/{task_id:int}/withdraw"
BROWSER = "/desk/push/{browser_id:int}"
OWN_TASK = "/teacher/care/{own_task_id:int}"

CARE: Mapping[tuple[str, str], Access] = {
    ("GET", "/teacher/worries"): for_action("worry.raise"),
    ("GET", WORRY_CLASS): for_action("worry.raise"),
    ("POST", WORRY_CLASS): for_action("worry.raise"),
    ("POST", WORRY_ANSWER): for_action("case.work"),
    ("GET", "/desk/push"): for_action("push.own"),
    ("POST", "/desk/push"): for_action("push.own"),
    ("POST", "/desk/push/try"): for_action("push.own"),
    ("POST", f"{BROWSER}/end"): for_action("push.own"),
    ("GET", "/teacher/care"): for_action("care.read"),
    ("POST", f"{OWN_TASK}/seen"): for_action("care.read"),
    ("POST", f"{OWN_TASK}/done"): for_action("care.read"),
    ("POST", f"{OWN_TASK}/answer"): for_action("care.read"),
    ("POST", "/desk/cases/{case_id:int}/care"): for_action("case.work"),
    ("POST", CARE_TASK): for_action("case.work"),
}
