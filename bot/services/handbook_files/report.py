"""The figures of the handbook as a page of Markdown. Called by `xinqing handbook report`."""

from collections.abc import Iterator, Sequence

from knowledge.entry import Entry
from knowledge.outline import questions, topics
from knowledge.problems import entry_format
from knowledge.report import Figures, Pair, Spread

MOST_PAIRS = 60


def report_page(figures: Figures, pairs: Sequence[Pair], entries: Sequence[Entry]) -> str:
    """Return the page: counts, lengths, sources, what is nearly the same."""
    covered = {question for entry in entries for question in entry.covers}
    lines = [
        "# The handbook in figures",
        "",
        "Written by `xinqing handbook report --into docs/handbook.md`.",
        "",
        f"{figures.entries} entries, {figures.signed} signed by a reviewer; they answer "
        f"{len(covered & questions().keys())} of the {len(questions())} questions of the list. "
        f"Asked by: {_counts(figures.by_asker)}.",
        "",
        "| | least | median | most |",
        "|---|---|---|---|",
        _spread("characters of an entry, without its sources", figures.body),
        _spread("other ways of asking (aliases) an entry", figures.aliases),
        _spread("characters of an alias", figures.alias_length),
        "",
        "## Entries by topic and stage",
        "",
        "An entry for several stages counts in each.",
        "",
        *_topics(figures, entries),
        "",
        "## Sources",
        "",
        *(f"- {name}: {count}" for name, count in sorted(figures.sources.items(), key=_most)),
        "",
        "## Nearly the same",
        "",
        "Ways of asking of two different entries whose characters (`words`) or vectors (`vector`) "
        f"are nearly the same: {len(pairs)}; the nearest {min(len(pairs), MOST_PAIRS)}.",
        "",
        "| | | | | |",
        "|---|---|---|---|---|",
        *(_pair(pair) for pair in pairs[:MOST_PAIRS]),
    ]
    return "\n".join(lines) + "\n"


def _most(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _counts(found: object) -> str:
    assert isinstance(found, dict)
    return ", ".join(f"{name} {number}" for name, number in sorted(found.items()))


def _spread(name: str, spread: Spread) -> str:
    return f"| {name} | {spread.least} | {spread.middle:g} | {spread.most} |"


def _topics(figures: Figures, entries: Sequence[Entry]) -> Iterator[str]:
    stages = entry_format()["fields"]["stages"]
    yield f"| topic | entries | {' | '.join(stages)} |"
    yield f"|---|---|{'---|' * len(stages)}"
    for topic, by_stage in sorted(figures.by_topic.items()):
        total = sum(entry.topic == topic for entry in entries)
        counts = " | ".join(str(by_stage.get(stage, 0)) for stage in stages)
        yield f"| {topic} {topics().get(topic, '')} | {total} | {counts} |"


def _pair(pair: Pair) -> str:
    cells = (pair.one, pair.one_text, pair.other, pair.other_text, f"{pair.how} {pair.score:g}")
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
