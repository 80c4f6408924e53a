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
    ],
)
def test_what_the_handbook_covers_is_found(answers: Answers, question: str, entry: str) -> None:
    assert answers.decide(question).entry == entry


@pytest.mark.parametrize(
    "question",
    ["女儿来例假了怎么跟她说", "女儿刚来月经，妈妈该说啥", "语文课讲屈原投江", "他打死不承认"],
)
def test_what_it_does_not_cover_is_not_answered(answers: Answers, question: str) -> None:
    assert answers.decide(question).kind == "abstain"


def test_without_an_entry_of_its_own_nothing_is_given_as_the_answer(answers: Answers) -> None:
    assert answers.decide("孩子总跟我顶嘴").kind in ("abstain", "choices")
