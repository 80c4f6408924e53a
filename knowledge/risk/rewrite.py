"""Puts the plain word where people write homophones, initials, pinyin or split characters.

Called by `assess` on the folded text, and by `rules` on the words of the rule files, so that a
rule may be written either way. An idiom shields what it holds: 紫砂壶 stays a teapot.
"""

from __future__ import annotations

from ahocorasick_rs import AhoCorasick, MatchKind

from knowledge.risk.normalise import Folded


class Rewriter:
    """Rewrites folded texts; built once for a rule set.

    Args:
        aliases: what people write, and the word it stands for, both folded.
        idioms: words inside which nothing is rewritten.
    """

    def __init__(self, aliases: dict[str, str], idioms: frozenset[str]) -> None:
        self.aliases = {key: word for key, word in aliases.items() if key != word}
        self.idioms = idioms
        self._keys = sorted(set(self.aliases) | idioms)
        self._automaton = AhoCorasick(self._keys, matchkind=MatchKind.LeftmostLongest)

    def word(self, text: str) -> str:
        """Rewrite a word of the rule files."""
        if text in self.idioms:
            return text
        pieces, position = [], 0
        for number, start, end in self._automaton.find_matches_as_indexes(text):
            plain = self.aliases.get(self._keys[number])
            if plain is not None and not text.isascii():
                pieces += [text[position:start], plain]
                position = end
        return "".join([*pieces, text[position:]])

    def text(self, folded: Folded) -> Folded:
        """Rewrite a message; the offsets of a rewritten word are those of what was written."""
        text: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        breaks: list[int] = []
        position = 0
        for number, start, end in self._automaton.find_matches_as_indexes(folded.text):
            plain = self.aliases.get(self._keys[number])
            if plain is None or not folded.whole_word(start, end):
                continue
            text += [folded.text[position:start], plain]
            size = len(plain)
            starts += [*folded.starts[position:start], *[folded.starts[start]] * size]
            ends += [*folded.ends[position:start], *[folded.ends[end - 1]] * size]
            breaks += [*folded.breaks[position : start + 1], *[0] * (size - 1)]
            position = end
        if not position:
            return folded
        text.append(folded.text[position:])
        starts += folded.starts[position:]
        ends += folded.ends[position:]
        breaks += folded.breaks[position:]
        return Folded("".join(text), tuple(starts), tuple(ends), tuple(breaks))
