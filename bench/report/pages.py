"""Write measured results into the README pages: `python -m bench.report.pages`, from the root of a checkout."""

from __future__ import annotations

from pathlib import Path

from bench.records.runfile import read_run
from bench.report import alternatives
from bench.report.headline import as_table, draw, headlines

README, RESULTS = Path("README.md"), Path("results/README.md")
REFERENCE = Path("results/reference.jsonl")
REFERENCE_TABLE = Path("results/reference.md")  # made by `bench table`
PICTURE = Path("results/headline.svg")
MAIN_COLUMNS = (
    *("task", "backend", "mode", "pass", "× fastest", "verdict", "first call", "of bound", "cores", "result", "agrees"),
)


def main() -> None:
    """Draw the picture and fill in the tables of README.md and results/README.md."""
    run = read_run(REFERENCE)
    found = headlines(run)
    draw(found, PICTURE)
    fill_in(README, "headline", as_table(found, run.header))
    fill_in(RESULTS, "results", main_columns(REFERENCE_TABLE.read_text()))
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


def main_columns(markdown: str) -> str:
    """Return the main columns of a markdown table, without padding, and the text below the table."""
    table, _, below = markdown.partition("\n\n")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    kept = [column for column, name in enumerate(rows[0]) if name in MAIN_COLUMNS]
    rows[1] = ["---"] * len(rows[0])
    lines = ["| " + " | ".join(row[column] for column in kept) + " |" for row in rows]
    return "\n".join(lines) + f"\n\n{below}"


if __name__ == "__main__":
    main()
