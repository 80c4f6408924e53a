"""Compute the search vectors ahead and say so: `xinqing setup`, `xinqing index`."""

from rich.console import Console
from rich.progress import Progress

from bot.config import Settings
from bot.services.answers import Answers
from bot.wiring.answers import HandbookShelf, open_answers


def build_index(settings: Settings, console: Console) -> Answers:
    """Build the search index, or find it as it should be; tell what was done.

    Args:
        console: where the progress and the outcome are written.
    """
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("给手册算检索向量", total=None, visible=False)
        shelf = HandbookShelf(
            settings,
            lambda done, total: bar.update(task, completed=done, total=total, visible=True),
        )
        answers = open_answers(settings, shelf)
    for line in outcome(settings, shelf, answers):
        console.print(line, markup=False, highlight=False)
    return answers


def outcome(settings: Settings, shelf: HandbookShelf, answers: Answers) -> list[str]:
    """Return what became of the index, in sentences."""
    retriever, store = answers.retriever, shelf.store
    count = len(answers.handbook.entries)
    if settings.encoder == "none":
        return [f"检索：{count} 条已建索引，只按词语找（XINQING_ENCODER=none），不用算向量。"]
    if retriever.degraded is not None:
        return [
            f"检索：{count} 条已建索引，先只按词语找：{retriever.degraded}",
            "改好后运行 xinqing index；正在运行的服务会在重启或手册有改动时自动恢复。",
        ]
    lines = [f"检索：{count} 条已建索引，新算 {store.encoded} 句的向量，沿用 {store.kept} 句。"]
    if retriever.rebuilt is not None:
        lines.append(f"原来存的索引不能用，已重建：{retriever.rebuilt}")
    if store.unsaved is not None:
        lines.append(
            f"索引没能存下来（{store.unsaved}），下次启动要重新算。请检查数据目录和磁盘空间。"
        )
    return lines
