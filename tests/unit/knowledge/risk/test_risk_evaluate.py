"""Rows of JSON in, rows of JSON out."""

from __future__ import annotations

import json

from knowledge.risk.evaluate import evaluate_rows, judge_row


def test_a_row_is_judged_and_can_be_written_as_json() -> None:
    row = judge_row({"text": "我想自杀", "who": "S", "anything": 1})
    assert row["level"] == "3"
    assert "SI-A" in row["categories"]
    assert {"start": 0, "end": 4, "text": "我想自杀"} in row["spans"] or row["spans"]
    assert row["reasons"]
    assert json.loads(json.dumps(row)) == row


def test_turns_are_judged_at_the_end_and_spans_are_of_the_last() -> None:
    row = judge_row({"turns": ["孩子说想自杀", "老师在吗,他现在反锁了门"]})
    assert row["level"] in {"3", "3!"}
    for span in row["spans"]:
        assert "老师在吗,他现在反锁了门"[span["start"] : span["end"]] == span["text"]


def test_a_level_stays_through_many_turns() -> None:
    turns = ["孩子说想自杀", *["嗯"] * 14]
    assert judge_row({"turns": turns})["level"] == "3"


def test_odd_rows_do_not_fail() -> None:
    assert judge_row({})["level"] == "0"
    assert judge_row({"turns": []})["level"] == "0"
    assert judge_row({"text": "你好", "who": "nobody"})["level"] == "0"


def test_rates_are_told_by_label() -> None:
    found = evaluate_rows(
        [
            {"text": "我想自杀", "must_escalate": True, "label": "high"},
            {"text": "你好呀", "must_escalate": True, "label": "high"},
            {"text": "明天几点到校", "must_escalate": False, "label": "none"},
            {"text": "不想活了", "must_escalate": None, "label": "asked"},
        ]
    )
    assert found["recall"] == 0.5
    assert found["false_alarm_rate"] == 0.0
    assert found["by_label"]["high"]["recall"] == 0.5
    assert found["by_label"]["none"]["false_alarm_rate"] == 0.0
    assert found["by_label"]["asked"]["undecided_escalated"] == 1.0
