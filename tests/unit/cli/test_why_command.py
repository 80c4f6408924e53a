"""`xinqing why`: an explanation as lines of plain Chinese."""

from dataclasses import replace

from bot.cli.why import lines
from knowledge.encoder.fixed import FixedEncoder
from knowledge.retrieval import Document, Retriever

DOCUMENTS = [
    Document(
        "T06-01", questions=("写作业拖到十点多怎么办", "磨到半夜还没写完"), texts=("切成小段",)
    ),
    Document("T11-01", questions=("天天熬到十二点怎么调",), terms=("熬夜",)),
    Document("T13-01", questions=("孩子在学校被欺负怎么办",)),
]
SEARCH = Retriever.build(DOCUMENTS, FixedEncoder(), background=["食堂几点开门"])


def test_reading_score_passages_and_verdict_are_told() -> None:
    text = "\n".join(lines(SEARCH.explain("老师好，写做业磨到半夜😭", entry="T13-01")))
    for part in (
        "读成：写做业磨到半夜", "客套话「老师好", "同音或拼音：「写做业」也当「写作业」查",
        "结论：", "1. T06-01", "家长问法：磨到半夜还没写完", "共有的字词：", "最近的几句", "T13-01",
    ):  # fmt: skip
        assert part in text, part


def test_everything_rare_has_its_words_too() -> None:
    found = SEARCH.explain("食堂几点开门")
    text = "\n".join(lines(found))
    assert "日常话" in text
    assert "食堂" not in text.split("\n", 1)[1]
    assert "寒暄" in "\n".join(lines(SEARCH.explain("谢谢")))
    degraded = replace(found, degraded="no encoder", outsider="gap", verdict="choices")
    text = "\n".join(lines(degraded))
    assert "没有用上语义查找：no encoder" in text
    assert "还没有答案的已知问题" in text


def test_an_empty_question_is_told() -> None:
    assert "读成：" in lines(SEARCH.explain(""))[0]
