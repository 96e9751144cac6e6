"""Write measured results into the README pages: `python -m bench.report.pages`, from the root of a checkout."""

from __future__ import annotations

from pathlib import Path

from bench.analysis.frame import summary_frame
from bench.analysis.summary import summarise
from bench.records.runfile import read_run
from bench.report import alternatives
from bench.report.choosing import ALL, Choice
from bench.report.headline import as_table, draw, headlines
from bench.report.markdown import as_markdown
from bench.report.training import training_result

README, RESULTS = Path("README.md"), Path("results/README.md")
REFERENCE = Path("results/reference.jsonl")
EVERY_COLUMN, FOR_PROGRAMS = Path("results/reference.md"), Path("results/reference.csv")
PICTURE = Path("results/headline.svg")


def main() -> None:
    """Draw the picture, write the tables of the reference run, and fill in those of README.md and results/README.md."""
    run = read_run(REFERENCE)
    found = headlines(run)
    draw(found, PICTURE)
    fill_in(README, "headline", as_table(found, run.header))
    fill_in(RESULTS, "results", as_markdown(training_result((run,), "", "steady", Choice())))
    EVERY_COLUMN.write_text(as_markdown(training_result((run,), "", "steady", Choice((ALL,)))))
    FOR_PROGRAMS.write_text(summary_frame(summarise((run,))).to_csv(index=False))
    fill_in(RESULTS, "alternatives", alternatives.table(RESULTS.parent))


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
