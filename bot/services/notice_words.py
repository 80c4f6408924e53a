"""A notice's words as a guardian reads them: the frame, what to answer, the link.

Called when a notice is sent and when its author is shown what will be sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from bot.core.clock import to_shanghai
from bot.core.phrases import PhraseBook
from bot.db.models import Notice
from bot.services.notice_rows import CORRECTION


@dataclass(frozen=True, slots=True)
class Sender:
    """Who a notice is from, as it is printed.

    Args:
        author: empty for what the service announces by itself.
    """

    place: str
    author: str = ""

    @property
    def line(self) -> str:
        """Return both in one line."""
        return " ".join(filter(None, (self.place, self.author)))


def compose(
    phrases: PhraseBook, notice: Notice, sender: Sender, *, round_: str = "1", link: str = ""
) -> str:
    """Return the words of one delivery.

    Args:
        round_: `CORRECTION`, or the number of the round; from the second on it is a reminder.
        link: the page on which it can be confirmed; empty: in chat only.
    """
    if round_ == CORRECTION:
        return phrases.format("notice.withdrawn", title=notice.title)
    if notice.kind != "notice":
        return notice.body
    key = "notice.short" if notice.body.startswith(notice.title) else "notice.frame"
    fields = {"title": notice.title} if key == "notice.frame" else {}
    lines = [phrases.format(key, body=notice.body, sender=sender.line, **fields)]
    if round_ not in ("1", ""):
        lines.insert(0, phrases.format("notice.reminder"))
    lines.append(phrases.format("notice.ask_reply"))
    if notice.confirm and link:
        lines.append(phrases.format("notice.ask_confirm_link", link=link))
    elif notice.confirm:
        lines.append(phrases.format("notice.ask_confirm"))
    return "\n".join(lines)


def template(
    phrases: PhraseBook, notice: Notice, sender: Sender, *, round_: str, now: datetime
) -> Mapping[str, str]:
    """Return what stands in the fields of a platform's form for notices."""
    key = "notice.form_withdrawn" if round_ == CORRECTION else "notice.form"
    return {
        "title": phrases.format(key, title=notice.title),
        "sender": sender.line,
        "time": f"{to_shanghai(notice.sent_at or now):%Y-%m-%d %H:%M}",
    }
