"""Take off what surrounds a parent's own words: markup, chat labels, mentions, quotation frames.

Called by `knowledge.text.read`. Parents paste whole chats, forward messages and copy web pages; the
labels say nothing about the child. Words are kept; only what a program put there goes.
"""

from __future__ import annotations

import html
import re

from knowledge.explanation import Cut, Removed

# Of a very long text the beginning tells who it is about and the end what is asked.
LONGEST, FRONT = 8_000, 1_000
SHOWN = 40
Removals = list[Removed]

_TAG = re.compile(
    r"<!--.{0,2000}?-->|<(script|style)\b.{0,4000}?</\1\s*>"
    r"|</?[A-Za-z][A-Za-z0-9-]{0,15}(?:\s[^<>]{0,400})?/?>",
    re.S | re.I,
)
_ENTITY = re.compile(r"&(?:[A-Za-z]{2,8}|#\d{1,7}|#[xX][0-9A-Fa-f]{1,6});")
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e01ef]"
)
# Marks upon marks, as in “zalgo” text; bringing thousands of them into order takes seconds.
_MARK = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]"
_STACKED = re.compile(f"({_MARK}{{2}}){_MARK}+")
_MEDIA = "图片|照片|语音|视频|文件|链接|表情|动画表情|位置|名片|红包|转账|小程序|聊天记录|语音通话"
STICKER = re.compile(
    rf"\[(?:[\u4e00-\u9fff]{{1,6}}|[A-Za-z]{{1,8}})\]|【(?:{_MEDIA})】|\[有人@我\]|/:[^\s]{{1,4}}"
)
LINK = re.compile(r"(?:https?://|www\.)[^\s\u4e00-\u9fff，。！？]+", re.I)
EMOJI = re.compile(
    "[\U0001f000-\U0001faff\u2300-\u23ff\u25a0-\u27bf\u2b00-\u2bff\u3030\u303d\u20e3]"
)
_END = r"\s@＠,，.。!！?？:：;；、"
_MENTION = re.compile(
    rf"(?<![A-Za-z0-9._%+-])[@＠](?:所有人|全体成员|[^{_END}]{{1,8}}?老师(?![\u4e00-\u9fff])"
    rf"|[^{_END}]{{1,20}}(?=\s|$))\s?"
)
_DATE = (
    r"(?:\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}日?|\d{1,2}[-/月]\d{1,2}日?"
    r"|今天|昨天|前天|星期[一二三四五六日天]|周[一二三四五六日])"
)
_TIME = r"(?:上午|下午|晚上|早上|中午|凌晨)?\s?\d{1,2}[:：]\d{2}(?:[:：]\d{2})?(?:\s?[AaPp][Mm])?"
_NAME = r"[^\s:：，。！？、「」“”\"()（）]{1,16}"
_ROLE = r"(?:[(（][^)）]{0,24}[)）])?"
# “张三 2026/11/1 20:13” or “20:13” alone on a line.
_HEAD = re.compile(
    rf"\s*(?:(?!{_DATE}){_NAME}{_ROLE}\s{{1,3}})?(?:({_DATE})\s?)?{_TIME}\s*[:：]?\s*"
)
# “2026-11-20 20:13:11 张三(12345)” alone on a line, as QQ writes them; one may be an appointment.
_DATED_HEAD = re.compile(
    rf"\s*(\d{{4}}[-/.年]\d{{1,2}}[-/.月]\d{{1,2}}日?)\s{{1,3}}{_TIME}\s{{1,3}}{_NAME}{_ROLE}\s*"
)
# “[2026/11/1 20:13] 张三: …” and “20:13 张三: …”.
_INLINE = re.compile(
    rf"\s*[\[(（【]?(?:{_DATE}\s?)?{_TIME}[\])）】]?\s*[-—]?\s*({_NAME})\s?[:：]\s?"
)
_RULE = re.compile(rf"\s*(?:[-—_=*·.~]\s?){{4,}}\s*|\s*[-—]{{2,}}\s*{_DATE}\s*[-—]{{2,}}\s*")
_RECORD = re.compile(r"\s*\S{0,24}聊天记录\s*[:：]?\s*")
_NAMED = re.compile(rf"\s*({_NAME})\s?[:：]\s?(?=\S)")
_QUOTE = re.compile(rf"\s*[「“\"]({_NAME})\s?[:：]\s?(.*)")
_REPEATED = re.compile(r"(.{2,8}?)\1{2,}", re.S)
# What stands before a colon and is no name: something is told or asked.
_TOLD = re.compile(r"[说问讲道喊答叫]$|怎么|什么|如下|例如|比如")


def unwrap(text: str) -> tuple[str, Removals]:
    """
    Return the words alone, and what was taken off.

    The words are in the order of the message, of at most `LONGEST` characters.
    """
    removed: Removals = []
    text = _STACKED.sub(r"\1", _shortened(text, removed))
    text = _cut(INVISIBLE, text, "invisible", removed, "")
    text = _cut(_TAG, text, "markup", removed, " ")
    text = _ENTITY.sub(lambda found: html.unescape(found[0]), text)
    text = _without_labels(text, removed)
    text = _cut(_MENTION, text, "mention", removed, " ")
    text = _cut(STICKER, text, "sticker", removed, " ")
    text = _cut(LINK, text, "link", removed, " ")
    text = _cut(EMOJI, text, "emoji", removed, " ")
    return _REPEATED.sub(r"\1", text), removed


def _shortened(text: str, removed: Removals) -> str:
    if len(text) <= LONGEST:
        return text
    gone = text[FRONT : len(text) - LONGEST + FRONT]
    removed.append(Removed("length", gone[:SHOWN]))
    return f"{text[:FRONT]}\n{text[len(text) - LONGEST + FRONT :]}"


def _cut(pattern: re.Pattern[str], text: str, kind: Cut, removed: Removals, left: str) -> str:
    """Replace what the pattern finds, and note the first of it."""
    found = pattern.search(text)
    if found is None:
        return text
    removed.append(Removed(kind, found[0].strip()[:SHOWN]))
    return pattern.sub(left, text)


def _without_labels(text: str, removed: Removals) -> str:
    """Take names, times and rules off the lines of a pasted chat; of one line a quotation's."""
    lines = text.splitlines()
    heads = [_HEAD.fullmatch(line) for line in lines]
    dated = [_DATED_HEAD.fullmatch(line) for line in lines]
    if sum(head is not None for head in dated) > 1:
        heads = [head or other for head, other in zip(heads, dated, strict=True)]
    timed = sum(head is not None for head in heads) > 1
    named = _are_names(lines)
    kept: list[str] = []
    for line, head in zip(lines, heads, strict=True):
        stamp = head is not None and (timed or bool(head[1]))
        if _RULE.fullmatch(line) or (len(lines) > 1 and (stamp or _RECORD.fullmatch(line))):
            removed.append(Removed("log", line.strip()[:SHOWN]))
        else:
            kept.append(_without_label(line, removed, named=named))
    return "\n".join(kept)


def _are_names(lines: list[str]) -> bool:
    """Say whether the lines of a text are things said by people whose names come first."""
    filled = [line for line in lines if line.strip()]
    found = [match[1] for line in filled if (match := _NAMED.match(line))]
    people = [name for name in found if not _TOLD.search(name)]
    return len(people) > 1 and 2 * len(people) >= len(filled)


def _without_label(line: str, removed: Removals, *, named: bool) -> str:
    quoted = _QUOTE.match(line)
    if quoted and not _TOLD.search(quoted[1]):
        removed.append(Removed("quote", quoted[1][:SHOWN]))
        return quoted[2].rstrip().removesuffix("」").removesuffix("”").removesuffix('"')
    label = _INLINE.match(line) or (_NAMED.match(line) if named else None)
    if label is None or _TOLD.search(label[1]):
        return line
    removed.append(Removed("log", label[0].strip()[:SHOWN]))
    return line[label.end() :]
