"""From settings to answers: the handbook's files, the encoder, the index, and what follows them.

Called by `bot.wiring.build`, and by the commands and benchmarks that search without a house.
"""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import structlog

import knowledge
from bot.config import Mode, Settings
from bot.core.clock import to_shanghai
from bot.core.hotlines import load_hotlines
from bot.services.answers import Answers
from knowledge.check import check_change
from knowledge.decision import Thresholds
from knowledge.documents import entry_documents, offtopic_messages
from knowledge.encoder import Encoder, load_encoder
from knowledge.errors import KnowledgeError
from knowledge.loader import Handbook, load_handbook
from knowledge.problems import Problem, problem
from knowledge.retrieval import Retriever
from knowledge.synonyms import Synonyms
from knowledge.vector_store import Report, VectorStore

log = structlog.get_logger(__name__)

HANDBOOK = Path(knowledge.__file__).parent / "handbook"
# A school's own groups of words, in the data folder; need not be there.
SYNONYMS = "synonyms.tsv"
# What an image was built with: the vectors of the handbook that ships.
SEED = Path(sys.prefix) / "share" / "xinqing" / "index"
WITHOUT_VECTORS = "search goes on by words alone; mend the folder or set XINQING_ENCODER=default"


class HandbookShelf:
    """The handbook's files of an installation, and the search over them.

    Args:
        report: told how many of how many new texts have been encoded.

    Attributes:
        opened: the mark of the files that the answers in force were made of at the start.
    """

    def __init__(self, settings: Settings, report: Report | None = None) -> None:
        self.folder = handbook_folder(settings)
        self.store = VectorStore(settings.data_dir / "index", seed=SEED, report=report)
        self.synonyms = settings.data_dir / SYNONYMS
        self.opened = ""
        self._settings = settings
        self._encoder: Encoder | None = None

    def mark(self) -> str:
        """Return what changes with any of the files, from their names, sizes and times alone."""
        digest = hashlib.sha256()
        for path in (self.synonyms, *sorted(self.folder.rglob("*.md"))):
            digest.update(_state(path).encode())
        return digest.hexdigest()

    def read(self) -> Handbook:
        """Return the entries and what was wrong with the files."""
        return load_handbook(self.folder)

    def errors(self, handbook: Handbook, before: Handbook) -> Sequence[Problem]:
        """Return what keeps a changed handbook from being used."""
        if not handbook.entries and not handbook.problems:
            return self.empty()
        today = to_shanghai(datetime.now(UTC)).date()
        numbers = load_hotlines().numbers()
        return check_change(handbook, before, numbers, today, whole=self.folder == HANDBOOK)

    def empty(self) -> Sequence[Problem]:
        """Return what is said of a folder without any entry."""
        return [problem("no_folder", self.folder)]

    def index(self, handbook: Handbook) -> Retriever:
        """Return the search over it; without an encoder by words alone, and it says why."""
        encoder, missing = self._load_encoder()
        synonyms = Synonyms.load(self.synonyms)
        for found in synonyms.problems:
            log.warning("synonyms_problem", problem=str(found))
        retriever = Retriever.build(
            entry_documents(handbook.entries.values()),
            encoder,
            cache_dir=self.store,
            background=offtopic_messages(),
            kind=self._settings.index,
            synonyms=synonyms,
        )
        if retriever.rebuilt is not None:
            log.warning("index_rebuilt", problem=retriever.rebuilt, encoded=self.store.encoded)
        if self.store.unsaved is not None:
            log.warning("index_unsaved", problem=self.store.unsaved)
        if missing is not None:
            retriever.degraded = missing
        if retriever.degraded is not None:
            # Without an encoder because somebody wants it so is no fault.
            tell = log.info if self._settings.encoder == "none" else log.error
            tell("retrieval_degraded", problem=retriever.degraded)
        return retriever

    def _load_encoder(self) -> tuple[Encoder | None, str | None]:
        """Return the encoder, or why there is none; a missing one is looked for every time."""
        name = self._settings.encoder
        if name == "none" or self._encoder is not None:
            return self._encoder, None
        try:
            self._encoder = load_encoder(name)
        except (KnowledgeError, OSError) as error:
            what = error.problem if isinstance(error, KnowledgeError) else type(error).__name__
            return None, f"XINQING_ENCODER={name}: {what}; {WITHOUT_VECTORS}"
        return self._encoder, None


def handbook_folder(settings: Settings) -> Path:
    """Return the folder of the entries in force."""
    return Path(settings.handbook) if settings.handbook else HANDBOOK


def _state(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return f"{path} gone\n"
    return f"{path} {status.st_size} {status.st_mtime_ns}\n"


def open_answers(settings: Settings, shelf: HandbookShelf | None = None) -> Answers:
    """Return the answers by the handbook as its files stand."""
    shelf = shelf or HandbookShelf(settings)
    shelf.opened = shelf.mark()
    handbook = shelf.read()
    if not handbook.entries and shelf.folder != HANDBOOK:
        # Parents are answered all the same; `/ready`, an alarm and the log say what is missing.
        handbook = Handbook(load_handbook(HANDBOOK).entries, handbook.problems or shelf.empty())
    for found in handbook.problems:
        log.warning("handbook_problem", problem=str(found))
    return Answers(
        handbook,
        shelf.index(handbook),
        _thresholds(settings),
        unsigned_allowed=settings.mode is Mode.DEMO,
    )


def make_answers(settings: Settings, report: Report | None = None) -> Answers:
    """Load the handbook, the encoder and the index; without an encoder search goes on lexically.

    Args:
        report: told how many of how many new texts have been encoded.
    """
    return open_answers(settings, HandbookShelf(settings, report))


def _thresholds(settings: Settings) -> Thresholds:
    learnt = Thresholds()
    if settings.answer_threshold >= 0:
        learnt = replace(learnt, answer=settings.answer_threshold)
    if settings.choices_threshold >= 0:
        learnt = replace(learnt, choices=settings.choices_threshold)
    return learnt
