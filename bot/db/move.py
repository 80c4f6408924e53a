"""Take everything over into an empty database, from one engine to the other or to the same.

Tables go in the order of their foreign keys, rows in the order of their primary keys, in batches;
ids stay, ciphertext stays ciphertext (no key is needed). Everything is read again on the other side
and compared by count and hash before it is committed. Called by `xinqing move`.
"""

from sqlalchemy import URL

from bot.db.base import Base
from bot.db.move_sides import MoveRefused, check_alone, open_source, open_target, same_place
from bot.db.move_table import Moved, Progress, Steps, TableCopy


def move(source: URL, target: URL, *, keep: bool, progress: Progress) -> list[Moved]:
    """Copy every table, compare both sides, and commit.

    Args:
        keep: False rolls everything back at the end, for a rehearsal.
        progress: called with a table's name, the rows done and all there are to do.

    Raises:
        MoveRefused: nothing has changed on either side.
    """
    if same_place(source, target):
        raise MoveRefused("same")
    with open_source(source) as old, open_target(target) as new:
        plans = [TableCopy(each) for each in Base.metadata.sorted_tables]
        steps = Steps(progress, 2 * sum(plan.count(old) for plan in plans))
        moved = [plan.copy(old, new.connection, steps) for plan in plans]
        for plan, known in zip(plans, moved, strict=True):
            plan.compare(old, new.connection, known, steps)
        check_alone(old)
        if keep:
            for plan in plans:
                plan.reset_sequence(new.connection)
            new.commit()
    return moved
