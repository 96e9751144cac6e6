"""Write measured results into the README pages: `python -m bench.report.pages`, from the root of a checkout."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from bench.analysis.frame import summary_frame
from bench.analysis.inference import inference_of
from bench.analysis.summary import summarise
from bench.records.runfile import Run, read_run
from bench.report import alternatives
from bench.report.choosing import ALL, Choice
from bench.report.document import Document
from bench.report.headline import as_table, draw, headlines
from bench.report.inference_table import inference_document
from bench.report.markdown import as_markdown
from bench.report.training import training_result

README, RESULTS = Path("README.md"), Path("results/README.md")
REFERENCE = Path("results/reference.jsonl")
EVERY_COLUMN, FOR_PROGRAMS = Path("results/reference.md"), Path("results/reference.csv")
PICTURE = Path("results/headline.svg")
LAYERS, OF_LAYERS = Path("results/layers.jsonl"), Path("results/layers.md")  # convolutions and attention
SECOND = Path("results/intel.jsonl")  # the rows of the reference run on another machine, with inference
SMALL = Path("results/inference.jsonl")  # the nine tasks that are in neither, for what using their models costs
INFERENCE = Path("results/inference.md")
ON_GPU = tuple(Path(f"results/{name}.jsonl") for name in ("gpu", "gpu-layers", "gpu-text"))  # and on that machine's CPU
OF_GPU = Path("results/gpu.md")


def main() -> None:
    """Draw the picture, write the tables of the kept runs, and fill in those of README.md and results/README.md."""
    run, second, layers, small = map(read_run, (REFERENCE, SECOND, LAYERS, SMALL))
    found = headlines(run)
    draw(found, PICTURE)
    fill_in(README, "headline", as_table(found, run.header))
    fill_in(RESULTS, "results", as_markdown(training([run])))
    EVERY_COLUMN.write_text(as_markdown(training([run], ALL)))
    FOR_PROGRAMS.write_text(summary_frame(summarise((run,))).to_csv(index=False))
    fill_in(RESULTS, "alternatives", alternatives.table(RESULTS.parent))
    of_layers = training([layers])
    OF_LAYERS.write_text(as_markdown(of_layers))
    fill_in(RESULTS, "layers", answers(of_layers))
    fill_in(RESULTS, "second", answers(training([second])))
    used = (second, layers, small)
    inference = inference_document(used, inference_of(used), Choice())
    INFERENCE.write_text(as_markdown(inference))
    fill_in(RESULTS, "inference", answers(inference))
    on_gpu = training(map(read_run, ON_GPU))
    OF_GPU.write_text(as_markdown(on_gpu))
    fill_in(RESULTS, "gpu", answers(on_gpu))


def training(runs: Iterable[Run], *columns: str) -> Document:
    """Return the result of runs, with the usual columns unless others are named."""
    return training_result(tuple(runs), "", "steady", Choice(columns))


def answers(result: Document) -> str:
    """Return the lines of a result that stand above its tables, as Markdown."""
    return as_markdown(replace(result, panels=(), sections=()))


def fill_in(page: Path, name: str, text: str) -> None:
    """Replace the text between the page's markers of that name."""
    before, _, after = parts(page.read_text(), name)
    page.write_text(f"{before}{text.strip()}\n{after}")


def parts(page: str, name: str) -> tuple[str, str, str]:
    """Split a page into the text up to the line `<!-- name -->`, from there to `<!-- /name -->`, and the rest.

    Raises ValueError if a marker is missing.
    """
    start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->\n"
    if not 0 <= page.find(start) < page.find(end):
        raise ValueError(f"the page has no {start.strip()} before {end.strip()}")
    before, _, rest = page.partition(start)
    between, _, after = rest.partition(end)
    return before + start, between, end + after


if __name__ == "__main__":
    main()
