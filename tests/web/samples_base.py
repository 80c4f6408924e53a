"""What the samples of every area share: the mark, the shape of a sample, a case of school A."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count

from desk_world import World

MARK = "只有本校能看到的字"
numbers = count(1)


@dataclass(frozen=True)
class Sample:
    """How to make what a parameter stands for.

    Args:
        make: stores one and returns what to write into the path.
        shared: it belongs to no school, so whoever has the role reaches it.
        of: the parameter before it in the path that it belongs to; `make` is given its id too.
    """

    make: Callable[..., Awaitable[int | str]]
    shared: bool = False
    of: str = ""


async def a_case(world: World) -> int:
    return await world.add_case(f"sample{next(numbers)}", place="school_a", text=MARK, fired=MARK)
