"""`/teacher`: where a class teacher, a school lead or the district begins with notices."""

from starlette.responses import Response

from bot.services import care_tasks, notice_answers, notice_lists, teaching
from bot.services.rights import may
from bot.web.guard import Call
from bot.web.teacher_words import word

LATEST = 5


async def start(call: Call) -> Response:
    """Show the classes, the latest notices, open questions and what comes next."""
    async with call.services.database.read() as session:
        classes = await teaching.figures(session, call.staff)
        latest = await notice_lists.listing(session, call.staff, size=LATEST)
        drafts = await notice_lists.drafts(session, call.staff)
        unread = await notice_answers.unread(session, call.staff)
        waiting = await teaching.pending_bindings(session, call.staff)
        tasks = await care_tasks.unseen(session, call.staff, now=call.services.clock.now())
        courses = await teaching.next_courses(session, call.staff, call.services.clock.now())
    return call.page(
        "teacher.html",
        classes=classes,
        latest=latest.rows,
        drafts=drafts,
        unread=unread,
        waiting=waiting,
        courses=courses,
        may_list=may(call.staff, "people.list"),
        tasks=tasks,
        may_worry=may(call.staff, "worry.raise"),
        word=word,
    )
