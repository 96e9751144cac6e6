"""All that the page shows, from runs: data for its scripts, and words for its template. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from bench.analysis.across import Across, across_runs
from bench.analysis.answer import Answer, answers
from bench.analysis.inference import InferenceSummary, inference_of
from bench.analysis.pairs import pairs_of
from bench.analysis.summary import RowSummary, summarise
from bench.errors import UserError, in_utf8
from bench.lessons.shown import rounded
from bench.records.machines import by_machine, names_of_runs
from bench.records.runfile import Run
from bench.records.schema import Row
from bench.records.version_rows import with_version_names
from bench.report import inference_table, sentences
from bench.report.break_even_sentences import ABOUT_BREAK_EVEN, break_even_sentences
from bench.report.choosing import Choice
from bench.report.machines_table import count_machines, untold
from bench.report.page import details, first_screen
from bench.report.page.code import code_of
from bench.report.page.inference import inference_of_page
from bench.report.page.learned import learned_of
from bench.report.page.machine import noise_of, schedule_of
from bench.report.page.machines import machine_words, machines_of_page
from bench.report.page.rows import PHASES, groups_of, rows_of
from bench.report.page.samples import samples_of
from bench.report.page.sweeps import panels_of, sweep_in, sweep_words
from bench.report.page.training import MOST_DISTANCES, MOST_POINTS, curves_of, trained_in
from bench.report.text import visible
from bench.report.version_sentences import version_sentences

MOST_CARDS = 6  # of the first screen that are not folded away
DIGITS = 6  # of the numbers that the scripts get


class NothingToShow(UserError):
    """Raised for runs without a single record."""


@dataclass(frozen=True)
class Content:
    """What the page consists of; all texts are harmless on a terminal, and are still to be escaped for HTML."""

    data: dict[str, Any]  # for the scripts, as JSON
    words: dict[str, Any]  # for the template


def content_of(read: Sequence[Run]) -> Content:
    """Return the content of the page of runs as they were read. Raises `NothingToShow`."""
    runs = [*map(with_version_names, by_machine(read))]
    summaries = summarise(runs)
    if not summaries:
        raise NothingToShow(f"no row was run yet in {', '.join(run.name for run in runs)}; there is nothing to show")
    paths = [run.name for run in runs]
    lines = rows_of(summaries, paths)
    infer = {path: inference_of([run]) for path, run in zip(paths, runs, strict=True)}
    found = across_runs(runs, rows=summaries)
    data = _data(runs, summaries, lines, infer, found)
    words = _words(runs, summaries, lines, [each for several in infer.values() for each in several])
    versions, machines = version_sentences(read), count_machines(runs)
    title = first_screen.title(words["cards"], versions, machines)
    words |= {"versions": versions, "title": title, "machines": machines}
    words |= {"across": machine_words(found, runs), "untold": untold(runs, found)}
    return Content(harmless(data), harmless(words))


def _data(
    runs: Sequence[Run],
    summaries: Sequence[RowSummary],
    lines: list[dict[str, Any]],
    infer: Mapping[str, Sequence[InferenceSummary]],
    found: Sequence[Across],
) -> dict[str, Any]:
    paths, machines = [run.name for run in runs], names_of_runs(runs)
    places = {path: _places(summaries, path) for path in paths}
    sweeps = [(run, sweep) for run in runs if (sweep := sweep_in(run)) is not None]
    trainings = [(trained_in(run), places[run.name]) for run in runs]
    return {
        "runs": [
            {"name": in_utf8(run.path.name), "created": run.header.created, "machine": machines[run.name]}
            for run in runs
        ],
        "across": machines_of_page(found, runs, [each.row for each in summaries]),
        "phases": PHASES,
        "rows": lines,
        "groups": groups_of(summaries, paths, {path: pairs_of(run) for path, run in zip(paths, runs, strict=True)}),
        "curves": [each for found, own in trainings for each in curves_of(found, own)],
        "learned": [each for found, own in trainings for each in learned_of(found, own)],
        "inference": [each for path in paths for each in inference_of_page(infer[path], places[path])],
        "sweeps": [panel for run, sweep in sweeps for panel in panels_of(run, sweep, places[run.name])],
        "noise": [noise_of(run) for run in runs],
        "schedule": [schedule_of(run, places[run.name]) for run in runs],
        "samples": [samples_of(run, places[run.name]) for run in runs],
    }


def _places(summaries: Sequence[RowSummary], path: str) -> dict[Row, int]:
    return {each.row: place for place, each in enumerate(summaries) if each.run == path}


def _place(machine: str, machines: Mapping[str, str]) -> dict[str, Any]:
    """Return the machine of a run, empty if all have the same, and whether it is the only run of that machine."""
    return {"group": machine, "alone": bool(machine) and list(machines.values()).count(machine) == 1}


def _words(
    runs: Sequence[Run],
    summaries: Sequence[RowSummary],
    lines: Sequence[Mapping[str, Any]],
    infer: Sequence[InferenceSummary],
) -> dict[str, Any]:
    cards = first_screen.cards_of(summaries, lines, _answers(runs, summaries))
    not_ranked = first_screen.not_ranked(summaries, lines)
    machines = names_of_runs(runs)
    sweeps = [sweep_words(run, sweep) for run in runs if (sweep := sweep_in(run)) is not None]
    return {
        "runs": [_about(run) | _place(machines[run.name], machines) for run in runs],
        "learned": any(len(run.lessons) for run in runs),
        "code": code_of(each.row for each in summaries),
        "overview": first_screen.overview(cards, summaries, count_machines(runs)),
        "cards": cards,
        "most_cards": MOST_CARDS,
        "mixed": len({each.row.precision for each in summaries}) > 1,
        "not_ranked": not_ranked,
        "alarms": sum(each.runs for each in not_ranked if each.alarming),
        "unchecked": sum(each.runs for each in not_ranked if each.cause in ("not checked", "not run")),
        "verdicts": details.verdicts(summaries, lines),
        "checks": details.CHECKS,
        "most_points": MOST_POINTS,
        "most_distances": MOST_DISTANCES,
        **_inference(runs, infer),
        "break_even": _introduced(ABOUT_BREAK_EVEN, break_even_sentences(summaries)),
        "notes": _introduced(sentences.about_untold(summaries), sentences.untold_sentences(summaries))
        + sentences.response_sentences(summaries),
        "parameters": sentences.parameter_sentences(summaries),
        "long_reasons": sentences.long_reasons(summaries),
        "sweeps": sweeps,
        "panels": [title for sweep in sweeps for title in sweep["titles"]],
    }


def _inference(runs: Sequence[Run], infer: Sequence[InferenceSummary]) -> dict[str, Any]:
    """Return tables by title, and the sentences on them; of runs that measured no inference, none."""
    if not infer:
        return {"inference": {}, "inference_sentences": []}
    found = inference_table.inference_document(runs, infer, Choice())
    return {
        "inference": {panel.title: panel.table.to_dict("split") for panel in found.panels},
        "inference_sentences": [*map(str, found.summary), *inference_table.caveats(found)],
    }


def _introduced(about: str, sentences: list[str]) -> list[str]:
    """Return sentences behind the one that holds for all of them; nothing if there are none."""
    return [about, *sentences] if sentences else []


def _answers(runs: Iterable[Run], summaries: Sequence[RowSummary]) -> dict[tuple[str, str, str], Answer]:
    return {(run.name, each.task, each.once.row.precision): each for run in runs for each in answers(run, summaries)}


def _about(run: Run) -> dict[str, Any]:
    header = run.header
    return {
        "name": in_utf8(run.path.name),
        "created": header.created,
        "machine": f"{header.machine.cpu}, {header.threads} of {header.machine.cores} cores",
        "gpus": ", ".join(header.machine.gpus),
        "commit": header.commit,
        "facts": details.facts(run),
        "versions": list(header.versions.items()),
        "environment": list(header.environment.items()),
        "settings": details.settings(run),
        "noise": sentences.noise_sentences([run]),
        "processes": len(run.last_records),
        "remarks": list(run.remarks),
    }


def harmless(value: Any) -> Any:
    """Return a value whose texts have no control characters, and whose numbers have no more digits than are of use."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, float):
        return rounded(value, DIGITS)
    if isinstance(value, Mapping):
        return {harmless(name): harmless(each) for name, each in value.items()}
    if isinstance(value, tuple):
        return tuple(map(harmless, value))
    if isinstance(value, list):
        return [*map(harmless, value)]
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: harmless(getattr(value, field.name)) for field in fields(value)})
    return value
