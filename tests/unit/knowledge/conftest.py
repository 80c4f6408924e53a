"""A good handbook entry to spoil, and a small search to try."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from knowledge.encoder.fixed import FixedEncoder
from knowledge.retrieval import Document, Retriever

HEAD = """---
id: T06-01
title: 写作业拖到十点多,一催就炸,怎么办?
topic: T06
stages: [C, D]
audience: [parent]
covers: [Q026]
aliases:
  - 磨到半夜十一点还没写完
  - 一页口算写俩小时
  - 喊十遍不动笔
  - 越催越慢，还摔本子
  - 天天写到全家都睡了
  - 寫個功課要三個鐘頭
  - 一支铅笔削了七遍
  - 他爸一吼他就哭
related: []
courses: []
author: 心晴编写组
reviewers: []
version: 1
written: 2026-11-22
next_review: 2027-11-22
---
"""
BODY = """## 一句话回答
先停下催促，把作业切成小段，写完一段歇五分钟。

## 为什么会这样
拖延常常不是懒，是一想到要写那么多就不想开始。

## 现在可以做的3步
1. 今晚先停十分钟，都喝口水，约好从最容易的一科写起。{filler}
2. 每二十分钟一段，写完一段自己打勾，歇五分钟再写下一段。
3. 到点就收，没写完的请孩子自己跟老师说明，家长写个条子。

## 可以直接说的话
- 「先写最容易的那一样，写完叫我。」
- 「我不催了，闹钟来提醒你。」

## 不要这样做
- 不要站在背后一直看着，也不要撕本子。

## 红旗:出现这些请马上找人
- 〔2〕连续两周夜里睡不着，一写作业就哭 → 联系学校心理老师
- 〔3〕说不想活 → 不要让孩子独处，拨打{12356}

## 学校能做什么
可以请老师看看作业量，先减一点再慢慢加回来。

## 祖辈版
娃写得慢，您别在旁边念叨，给他倒杯水，坐着就好。

## 依据
- 《中华人民共和国家庭教育促进法》(2021年)第十七条
"""
FILLER = "作业多的日子先问老师哪些可以明天补，别一口气全做完。" * 6


@pytest.fixture
def entry_text() -> str:
    """An entry without any problem."""
    return HEAD + BODY.replace("{filler}", FILLER)


@pytest.fixture
def write_entry(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a text as an entry's file and return the folder of the handbook."""

    def write(text: str, name: str = "T06-01.md") -> Path:
        folder = tmp_path / "handbook"
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(text.encode("utf-8"))
        return folder

    return write


@pytest.fixture(scope="session")
def documents() -> list[Document]:
    """Three small entries."""
    return [
        Document(
            "T06-01",
            questions=("写作业拖到十点多怎么办", "磨到半夜还没写完", "一催就炸，摔本子"),
            texts=("先停下催促，把作业切成小段", "写完一段歇五分钟"),
            stages=("C", "D"),
        ),
        Document(
            "T11-01",
            questions=("天天熬到十二点怎么调", "闹钟响八遍都叫不醒", "黑眼圈像熊猫"),
            texts=("先把起床时间固定下来", "睡前一小时放下手机"),
            stages=("E", "F"),
        ),
        Document(
            "T13-01",
            questions=("孩子在学校被欺负怎么办", "几个大的堵他要钱", "衣服上有脚印"),
            texts=("先听他说完，留好证据", "找班主任，严重的报警"),
            stages=("C", "D", "E", "F"),
        ),
    ]


@pytest.fixture(scope="session")
def retriever(documents: list[Document]) -> Retriever:
    """A search over the three entries with the small encoder."""
    return Retriever.build(documents, FixedEncoder(), background=["食堂几点开门", "明天下雨吗"])
