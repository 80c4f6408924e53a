"""The age at which the law lets a child speak for itself. Called by services and pages.

Source: Personal Information Protection Law, article 31 (under 14: a guardian's consent).
"""

import re
from datetime import date

AGE = 14
_BORN = re.compile(r"(?P<year>\d{4})-(?P<month>0[1-9]|1[0-2])", re.ASCII)


def fourteen(born: str | None, today: date) -> bool:
    """Say whether a child is 14 for certain; unknown or unreadable counts as younger.

    Args:
        born: year and month, `2012-09`; the day is not known, so the month itself doesn't count.
    """
    match = _BORN.fullmatch(born or "")
    if match is None:
        return False
    return (int(match["year"]) + AGE, int(match["month"])) < (today.year, today.month)
