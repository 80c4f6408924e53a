"""The search as shipped: what an audit found answered beside the point, or not at all."""

from pathlib import Path

import pytest

from bot.config import Settings
from bot.services.answers import Answers
from bot.wiring import make_answers


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """The packaged handbook with the packaged encoder and thresholds."""
    folder: Path = tmp_path_factory.mktemp("real")
    return make_answers(Settings(data_dir=folder, secret_keys="k1:unused"))  # type: ignore[arg-type]  # pydantic makes it


@pytest.mark.parametrize(
    ("question", "entry"),
    [
        ("孩子手机怎么管", "T07-01"),
        ("手机怎么管比较好", "T07-01"),
        ("要离婚了怎么跟女儿说", "T18-01"),
        ("爷爷去世了怎么跟孩子说", "T28-01"),
        ("女儿来例假了怎么跟她说", "T10-04"),
        ("女儿刚来月经，妈妈该说啥", "T10-04"),
        ("孩子总跟我顶嘴", "T01-04"),
        ("怎么找真人老师", "T24-07"),
        ("我想删掉我的聊天记录", "T24-08"),
        ("预警是什么意思", "T24-03"),
        ("七岁了还尿床", "T11-10"),
        ("老人重男轻女怎么办", "T16-09"),
    ],
)
def test_what_the_handbook_covers_is_found(answers: Answers, question: str, entry: str) -> None:
    decision = answers.decide(question)
    assert decision.kind in ("answer", "choices")
    assert decision.candidates[0].entry == entry


@pytest.mark.parametrize(
    "question",
    ["语文课讲屈原投江", "他打死不承认", "三角形的面积怎么算", "明天春游带什么", "社保断缴怎么补"],
)
def test_what_it_does_not_cover_is_not_answered(answers: Answers, question: str) -> None:
    assert answers.decide(question).kind != "answer"
