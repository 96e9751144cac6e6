"""What a report page weighs and how long it takes to show its table: `python tests/page_speed.py`, as `nox -s page`.

It writes results/page.md. The runs are a kept run, whose rounds are repeated with other numbers and slightly other
times. The page opens in headless chromium, from the disk, in a browser that has just been started.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from large_runs import KEPT, write_large

from bench.machine.host import this_machine
from bench.records.provenance import commit, utc_now, versions
from bench.records.runfile import read_run
from bench.report import export, sentences
from bench.report.page.render import page_of

# Notes the time at which the first frame with rows in the table has been drawn.
WATCH = """
(function look() {
  const shown = document.querySelector("#rows tbody tr");
  if (!shown) return requestAnimationFrame(look);
  requestAnimationFrame(() => requestAnimationFrame(() => (window.tableShown = performance.now())));
})();
"""
TIMES = 5  # that each page is opened


def main() -> None:
    """Make the pages, open them, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, nargs="*", default=[100, 500, 2_000, 10_000])
    parser.add_argument("--out", type=Path, default=Path("results/page.md"))
    given = parser.parse_args()
    run = read_run(KEPT)
    with tempfile.TemporaryDirectory(prefix="levelfield-page-") as folder:
        lines = []
        for records in given.records:
            path = Path(folder, f"{records}.jsonl")
            write_large(run, records, path)
            lines.append(measured(path, records))
    where = sentences.where(this_machine(), 1, versions(), commit(), utc_now())
    about = f"Table shown: from opening the file to the first frame with rows, median of {TIMES}, in chromium {where}"
    given.out.write_text(export.listed(lines, about))
    print(f"written: {given.out}")


def measured(path: Path, records: int) -> dict[str, str]:
    """Return a line of the table: what making and showing the page of a run file takes."""
    begin = time.perf_counter()
    content = page_of([read_run(path)])
    made_s = time.perf_counter() - begin
    page = path.with_suffix(".html")
    page.write_text(content)
    times_ms = shown_ms(page, TIMES)
    return {
        "records": f"{records:,}",
        "run file": f"{path.stat().st_size / 1e6:.1f} MB",
        "page": f"{page.stat().st_size / 1e6:.1f} MB",
        "made in": f"{made_s:.1f} s",
        "table shown": f"{median(times_ms) / 1e3:.2f} s",
    }


def shown_ms(page: Path, times: int) -> Iterable[float]:
    """Return how long the table took to be shown, each time in a browser that has just been started."""
    from playwright.sync_api import sync_playwright

    found = []
    with sync_playwright() as started:
        for _ in range(times):
            browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            opened = browser.new_page(viewport={"width": 1400, "height": 900})
            opened.add_init_script(WATCH)
            opened.goto(page.as_uri())
            while (shown := opened.evaluate("window.tableShown")) is None:
                opened.wait_for_timeout(20)
            found.append(float(shown))
            browser.close()
    return found


if __name__ == "__main__":
    main()
