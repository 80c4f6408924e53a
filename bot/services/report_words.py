"""What a report that the law asks for is called and how it is read out. Used by pages.

The words stand in `reports.toml`. A script has gaps where a person says what they know.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class ReportWords:
    """The packaged words.

    Args:
        addressees: code → word.
        asks: code of the addressee → what they are asked for, the script's last line.
        bases: code → article and situation.
        prompts: families of cases that ask for a decision at once.
        first: family → the grounds that stand first for it.
        early: code → why somebody phoned before a second person had agreed.
        signed: whether somebody has reviewed the script.
    """

    addressees: Mapping[str, str]
    asks: Mapping[str, str]
    bases: Mapping[str, str]
    prompts: frozenset[str]
    first: Mapping[str, tuple[str, ...]]
    early: Mapping[str, str]
    script: str
    unknown_child: str
    unknown_school: str
    signed: bool

    def bases_for(self, family: str) -> dict[str, str]:
        """Return all grounds, those that fit a family first."""
        order = (*self.first.get(family, ()), *self.bases)
        return {code: self.bases[code] for code in dict.fromkeys(order)}

    def read_out(self, *, addressee: str, basis: str, school: str, name: str, child: str) -> str:
        """Return the script with what is known; every other gap stays for the person to fill."""
        return self.script.format(
            school=school or self.unknown_school,
            name=name,
            basis=self.bases.get(basis, basis),
            child=child or self.unknown_child,
            ask=self.asks.get(addressee, ""),
        )


@cache
def words() -> ReportWords:
    """Return the words of `reports.toml`."""
    found: dict[str, Any] = tomllib.loads(
        files("bot.services").joinpath("reports.toml").read_text("utf-8")
    )
    addressees, script = found["addressee"], found["script"]
    return ReportWords(
        addressees={code: one["word"] for code, one in addressees.items()},
        asks={code: one["ask"] for code, one in addressees.items()},
        bases={code: one["word"] for code, one in found["basis"].items()},
        prompts=frozenset(found["prompts"]),
        first={family: tuple(codes) for family, codes in found["first"].items()},
        early=found["early"],
        script=script["text"].strip(),
        unknown_child=script["unknown_child"],
        unknown_school=script["unknown_school"],
        signed=bool(found["reviewers"]),
    )
