"""A search that explains itself, for the editors' page: everything that a page may show, once."""

from fakes import FakeRetriever, handbook

from knowledge.decision import Thresholds, decide
from knowledge.explanation import (
    Explanation,
    HitExplanation,
    NearPassage,
    Reading,
    Removed,
    Rewriting,
    ScorePart,
    SharedPiece,
)
from knowledge.retrieval import Hit
from knowledge.synonyms import Synonyms

PARTS = (
    ScorePart("near", 0.71, 3.2, 1.1, 3.52),
    ScorePart("topic", 0.4, 1.5, 0.3, 0.45),
    ScorePart("words", 0.33, 2.0, 0.5, 1.0),
)
SHARED = (SharedPiece("作业", 4.2), SharedPiece("<b>拖", 1.1))
READING = Reading(
    ("孩子写作业拖到十点多",),
    (Removed("courtesy", "老师你好"), Removed("emoji", "😭")),
    (Rewriting("synonym", "作业", ("功课",)), Rewriting("typo", "作叶", ("作业",))),
)


class ExplainingRetriever(FakeRetriever):
    """Finds what it was told, and says why in every way there is."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted: list[str | None] = []
        self.degraded: str | None = None
        self.outsider: str | None = None
        self.synonyms = Synonyms()

    def explain(
        self,
        question: str,
        stage: str | None = None,
        top_k: int = 5,
        *,
        thresholds: Thresholds | None = None,
        entry: str | None = None,
    ) -> Explanation:
        """Explain the hits listed for this question."""
        limits = thresholds or Thresholds()
        self.wanted.append(entry)
        hits = self.search(question, stage, top_k)
        decision = decide(hits, limits)
        offered = {hit.entry for hit in decision.candidates if decision.kind != "abstain"}
        rows = [_row(rank, hit, decision.entry, offered) for rank, hit in enumerate(hits, 1)]
        return Explanation(
            question=question,
            reading=READING if hits else Reading(("",)),
            verdict=decision.kind,
            answer=limits.answer,
            choices=limits.choices,
            candidate=limits.candidate,
            total=min(sum(hit.score for hit in hits[:3]), 1.0),
            anything=0.5,
            outsider=self.outsider,  # type: ignore[arg-type]  # one of the two codes, or None
            smalltalk=False,
            hits=tuple(rows),
            degraded=self.degraded,
        )


def _row(rank: int, hit: Hit, answered: str | None, offered: set[str]) -> HitExplanation:
    return HitExplanation(
        entry=hit.entry,
        title=handbook().entries[hit.entry].title,
        rank=rank,
        score=hit.score,
        why=hit.why,
        fused=4.97,
        parts=PARTS,
        passages=(
            NearPassage("title", handbook().entries[hit.entry].title, 0.81),
            NearPassage("text", "有危险打 {12356}。", None),
        ),
        shared=SHARED if rank == 1 else (),
        verdict="answered"
        if hit.entry == answered
        else "offered"
        if answered is None and hit.entry in offered
        else "below",
    )
