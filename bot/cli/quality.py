"""`xinqing eval`: measure search, the handbook's exam and the risk screen."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from bot import logs
from bot.cli import jsonl
from bot.config import load_settings
from bot.core.errors import InputInvalid
from bot.core.levels import ESCALATED
from bot.services.answers import Answers
from bot.services.entries_below import entries_fit
from bot.services.guarding import live_rules
from bot.wiring import make_answers
from knowledge.documents import offtopic_messages
from knowledge.encoder import load_encoder
from knowledge.evaluation import evaluate_search
from knowledge.heldout.measure import DEPTH, Asked, Raised, run_messages, run_questions
from knowledge.heldout.near import Known, shipped_texts, without
from knowledge.heldout.reliability import draw
from knowledge.heldout.report import ExamReport, as_text, doubles_as_text, faults_as_text
from knowledge.heldout.rows import FOLDER, Exam, Half, read_exam
from knowledge.risk import Assessment, assess
from knowledge.risk.evaluate import evaluate_rows
from knowledge.risk.measure import measure, table
from knowledge.risk.model.examples import read_folder, read_table

app = typer.Typer(no_args_is_help=True)


@app.command("search")
def search(
    corpus: Annotated[Path, typer.Option(help='rows of {"id", "text"}')],
    queries: Annotated[Path, typer.Option(help='rows of {"text", "id"}')],
    ranks: Annotated[
        Path | None, typer.Option(help="write the top ten ids of each query, one JSON list a line")
    ] = None,
) -> None:
    """Index a corpus with the live retriever and rank queries against it."""
    logs.configure("ERROR")
    setting = load_settings(secret_keys="unused").encoder
    encoder = None if setting == "none" else load_encoder(setting)
    try:
        report = evaluate_search(jsonl.read(corpus), jsonl.read(queries), encoder)
    except (KeyError, ValueError) as error:
        raise InputInvalid(f"{queries.name} or {corpus.name}: {error}") from None
    if ranks is not None:
        lines = [json.dumps(list(ids), ensure_ascii=False) for ids in report.ranks]
        ranks.write_text("\n".join(lines) + "\n", encoding="utf-8")
    jsonl.write(dict(report.figures))


@app.command("handbook")
def handbook(
    folder: Annotated[Path, typer.Option(help="questions.tsv, messages.tsv and so on")] = FOLDER,
    half: Annotated[Half, typer.Option(help="odd rows: development; even rows: exam")] = "all",
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False,
    faults: Annotated[int, typer.Option(help="so many examples of each kind of fault")] = 0,
    doubles: Annotated[bool, typer.Option(help="list what the product nearly knows")] = False,
    plot: Annotated[
        Path | None, typer.Option(help="write scores against what was right, as SVG")
    ] = None,
) -> None:
    """Ask the live search and screen an exam: who is answered rightly, wrongly, or not at all."""
    logs.configure("ERROR")
    settings = load_settings(secret_keys="unused")
    try:
        exam = read_exam(folder, half)
        report = _sit_exam(exam, make_answers(settings), settings.risk_model)
    except (OSError, ValueError) as error:
        raise InputInvalid(f"{folder.name}: {error}") from None
    if plot is not None:
        plot.write_text(draw(report.drawn), encoding="utf-8")
    if as_json:
        jsonl.write(report.figures())
        return
    typer.echo(as_text(report))
    if faults > 0:
        typer.echo("\n" + faults_as_text(report, faults))
    if doubles:
        typer.echo("\n" + doubles_as_text(report.doubles))


def _raised(assessment: Assessment) -> Raised:
    level = assessment.level.value
    if level not in ESCALATED:
        return ""
    fit = entries_fit(level, assessment.categories, assessment.who)
    return "with entries" if fit else "alone"


def _sit_exam(exam: Exam, answers: Answers, risk_model: str) -> ExamReport:
    rules = live_rules(risk_model)
    asked = Asked(
        search=lambda text: answers.retriever.search(text, top_k=DEPTH),
        decide=answers.decide,
        danger=lambda text: _raised(assess(text, rules=rules)),
        smalltalk=answers.smalltalk,
    )
    entries = answers.handbook.entries
    covers = {name: entry.covers for name, entry in entries.items()}
    known = Known(shipped_texts(answers.retriever.documents, offtopic_messages()))
    tables = (exam.questions, exam.entries, exam.terms, exam.messages)
    same = known.doubles([row for table in tables for row in table])
    questions, listed, terms, messages = (without(table, same) for table in tables)
    return ExamReport(
        questions=run_questions(questions, covers, asked),
        entries=run_questions(listed, covers, asked),
        terms=run_questions(terms, covers, asked),
        messages=run_messages(messages, asked),
        doubles=same,
    )


@app.command("risk")
def risk(
    labelled: Annotated[
        Path | None, typer.Option(help='rows of {"text", "must_escalate", "label"}')
    ] = None,
    examples: Annotated[
        Path | None, typer.Option(help="a table of examples, or a folder of them")
    ] = None,
    alone: Annotated[bool, typer.Option("--rules-alone", help="without the classifier")] = False,
    recall: Annotated[float, typer.Option(help="exit status 1 below this recall")] = 0.0,
    alarms: Annotated[float, typer.Option(help="exit status 1 above these false alarms")] = 1.0,
) -> None:
    """Judge labelled texts as live would and print recall and false alarms, by label too.

    `--labelled` gives one JSON object, `--examples` a table by level, category, speaker and length.
    """
    logs.configure("ERROR")
    if (labelled is None) == (examples is None):
        raise InputInvalid("give either --labelled FILE or --examples PATH")
    rules = live_rules("none" if alone else load_settings(secret_keys="unused").risk_model)
    if labelled is not None:
        rows = list(jsonl.read(labelled))
        jsonl.write(timed(lambda: evaluate_rows(rows, rules), len(rows)))
    elif examples is not None:
        read = read_folder if examples.is_dir() else read_table
        found = measure(read(examples), rules)
        typer.echo(f"rules and classifier: {rules.judged_by}")
        typer.echo(table(found))
        if found.whole_danger.rate < recall or found.whole_harmless.rate > alarms:
            typer.echo(f"wanted: recall at least {recall}, false alarms at most {alarms}", err=True)
            raise typer.Exit(1)


def timed(work: Callable[[], dict[str, Any]], n: int) -> dict[str, Any]:
    """Run something and add how long a row took on average, in milliseconds."""
    start = time.perf_counter()
    result = work()
    per_row = (time.perf_counter() - start) * 1000 / max(n, 1)
    return {**result, "rows": n, "ms_per_row": round(per_row, 3)}
