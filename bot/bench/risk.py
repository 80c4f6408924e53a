"""`xinqing bench risk`: how long the screen takes, by rules alone and with the classifier.

Called by `bot.cli.bench`. The rules and the classifier of live, on the held-out examples and on
texts of 100,000 characters; the classifier's share is told as a ratio to the rules beside it.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial

from bot import logs
from bot.bench.measure import load, machine, spread
from bot.config import load_settings
from knowledge.risk import Context, RuleSet, assess, load_rules
from knowledge.risk.model.examples import FOLDER, Example, read_folder
from knowledge.risk.model.run import load_classifier

LONG = 100_000
WARM = 20
DANGER = "孩子刚才说他不想活了"


def bench_risk() -> dict[str, object]:
    """Judge every held-out message, and long texts, and return the figures."""
    logs.configure("ERROR")
    rules, full = load_rules(), load_rules()
    full.classifier = load_classifier(load_settings(secret_keys="unused").risk_model)
    rows = read_folder(FOLDER / "heldout")
    for row in rows[:WARM]:
        _judge(row, full)
    alone, helped = _times(rows, rules), _times(rows, full)
    return {
        "bench": "risk",
        "messages": len(rows),
        "characters": _characters(rows),
        "rules": spread(alone),
        "with_classifier": spread(helped) if full.classifier else None,
        "ratio": round(sum(helped) / sum(alone), 1),
        "long": {name: _long(text, rules, full) for name, text in long_texts(rows).items()},
        "load": load(),
        "machine": machine(),
    }


def long_texts(rows: Sequence[Example]) -> dict[str, str]:
    """Return texts of LONG characters, each with a danger at its very end."""
    talk = "。".join(turn for row in rows for turn in row.turns)
    kinds = {
        "talk": talk,
        "dangers": "我不想活了,他把自己锁在房间里。",
        "one character": "死",
        "numbers": "1234567890",
        "html": "<td class='x'>今天 <b>作业</b>&nbsp;写完了</td>\n",
        "emoji": "😀🔪🎉",
    }
    size = LONG - len(DANGER)
    return {name: (text * (size // len(text) + 1))[:size] + DANGER for name, text in kinds.items()}


def _judge(row: Example, rules: RuleSet) -> None:
    assess(row.turns[-1], Context(row.who or None, row.turns[:-1]), rules)


def _times(rows: Sequence[Example], rules: RuleSet) -> list[float]:
    return [_timed(partial(_judge, row, rules)) for row in rows]


def _long(text: str, rules: RuleSet, full: RuleSet) -> dict[str, object]:
    found = assess(text, rules=full)
    return {
        "rules_ms": round(min(_timed(lambda: assess(text, rules=rules)) for _ in range(3)) * 1e3),
        "with_classifier_ms": round(_timed(lambda: assess(text, rules=full)) * 1e3),
        "level": found.level.value,
    }


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _characters(rows: Sequence[Example]) -> dict[str, int]:
    sizes = sorted(sum(map(len, row.turns)) for row in rows)
    return {"median": sizes[len(sizes) // 2], "most": sizes[-1]}
