"""The report page in a browser: it renders, sorts, filters, compares, keeps its view in the address, and loads nothing.

The browser is Debian's chromium, which Playwright drives; where there is none, these tests are skipped.
"""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from made_up_machines import QUICK, a_computer, a_run_on, lab
from made_up_pages import HARM, TASKS, failing_run, good_run, harmful_run, learned_run
from made_up_sweeps import BATCHES, a_sweep, point

from bench.records.runfile import Run
from bench.report.page.render import page_of
from bench.report.units import multiple, seconds

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or ""
playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium on this machine")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


class Opened:
    """A page in the browser, and what it did that it must not do."""

    def __init__(self, browser: Browser, path: Path, **options: Any) -> None:
        self.path = path
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.context = browser.new_context(**{"viewport": {"width": 1400, "height": 900}, **options})
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def show(self, fragment: str = "") -> Page:
        """Open the page anew with this fragment."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.path.as_uri()}{'#' + fragment if fragment else ''}")
        self.page.wait_for_selector("#rows tbody tr")
        return self.page

    def begin_again(self) -> None:
        """Go back to the first view without opening the page anew, which takes a second."""
        for label in self.page.locator("#rows .label[aria-expanded=true]").all():
            label.click()  # which rows show their details does not stand in the address
        self.page.evaluate("location.hash = ''")
        self.page.wait_for_function("Object.values(page.view).every((each) => each.length === 0)")
        self.page.evaluate("scrollTo(0, 0)")

    def foreign(self) -> list[str]:
        """Return all addresses that were asked for apart from the file itself."""
        return [url for url in self.requests if not url.startswith((self.path.as_uri(), "about:", "blob:", "data:"))]

    @property
    def fragment(self) -> str:
        return str(self.page.evaluate("location.hash.slice(1)"))


def opened(browser: Browser, folder: Path, run: Run, **options: Any) -> Opened:
    path = folder / "report.html"
    path.write_text(page_of([run]))
    return Opened(browser, path, **options)


@pytest.fixture(scope="module")
def good_page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """Open the page of a run of four rows of two tasks."""
    folder = tmp_path_factory.mktemp("good")
    found = opened(browser, folder, good_run(folder / "a.jsonl"))
    found.show()
    yield found
    found.context.close()


@pytest.fixture
def good(good_page: Opened) -> Iterator[Opened]:
    """Return that page, in its first view; it must load nothing and complain about nothing."""
    good_page.begin_again()
    yield good_page
    found = list(good_page.errors), good_page.foreign()
    good_page.errors.clear()  # the next test answers for its own
    good_page.requests.clear()
    assert found == ([], [])


@pytest.fixture
def anew(good: Opened) -> Opened:
    """Return that page as it is when it has just been opened: what was drawn before is gone."""
    good.show()
    return good


def labels(page: Page) -> list[str]:
    return [text.strip() for text in page.locator("#rows tr[data-row] .text").all_inner_texts()]


def cells(page: Page, label: str, task: int = 0) -> list[str]:
    row = page.locator("#rows tr[data-row]", has=page.locator(f".text:text-is('{label}')")).nth(task)
    return [text.strip() for text in row.locator("td").all_inner_texts()]


def sort_by(page: Page, column: str) -> None:
    page.locator(f"#rows th[data-column={column}] button").click()


def choose(page: Page, facet: str, *values: str) -> None:
    page.locator("#filters summary", has_text=facet).click()
    for value in values:
        page.get_by_label(value, exact=True).click()
    page.keyboard.press("Escape")


# It renders


def test_the_table_has_every_row_in_the_order_of_the_result(good: Opened) -> None:
    order = ["jax scan", "tensorflow xla", "torch eager", "numpy loop"]
    assert labels(good.page) == order * 2
    shown = cells(good.page, "torch eager")
    assert shown[0] == "20 ms"
    assert shown[1] == "1.99 [1.97, 2.02]"
    assert shown[2] == "slower"


def test_a_difference_that_the_run_cannot_tell_is_grey(good: Opened) -> None:
    rows = good.page.locator("#rows tr[data-row]")
    untold = [rows.nth(place).locator("td .untold").count() for place in range(4)]
    assert untold == [0, 2, 0, 0]
    grey, told = (rows.nth(place).locator("td").nth(1).locator("span").first for place in (1, 2))
    colours = [each.evaluate("each => getComputedStyle(each).color") for each in (grey, told)]
    assert colours[0] != colours[1]


CHARTS = ("totals", "starts", "losses", "distances", "latency", "throughput", "share", "memory", "phases", "noise",
          "strips")  # fmt: skip


def test_a_chart_is_drawn_when_it_comes_into_view(anew: Opened) -> None:
    marks = ".trace, .scatterlayer path, .barlayer path"
    figures = {kind: anew.page.locator(f"[data-chart={kind}]").first for kind in CHARTS}
    assert [kind for kind, figure in figures.items() if figure.locator("svg").count()] == []
    wrong = {}
    for kind, figure in figures.items():
        figure.scroll_into_view_if_needed()
        try:
            figure.locator("svg.main-svg").first.wait_for()
        except playwright.TimeoutError:
            wrong[kind] = "not drawn"
            continue
        if not figure.locator(marks).count():
            wrong[kind] = "drawn without anything in it"
        if kind == CHARTS[0] and figures[CHARTS[-1]].locator("svg").count():
            wrong[CHARTS[-1]] = "drawn with the first one"
    assert wrong == {}


def test_units_in_the_browser_are_those_of_the_tables(good: Opened) -> None:
    numbers = [0.0, 1e-7, 3.2e-5, 9.999e-4, 1.0e-3, 0.0414, 0.9996, 1.0, 59.44, 1234.5, 2.5e5, 7.0e-9, 3.45e-8]
    assert [good.page.evaluate("page.seconds", number) for number in numbers] == [*map(seconds, numbers)]
    ratios = [0.004, 0.996, 1.0, 12.345, 99.99, 100.2, 1432.4, 12345.6]
    assert [good.page.evaluate("page.multiple", number) for number in ratios] == [*map(multiple, ratios)]


def test_a_sweep_shows_where_the_winner_changes(browser: Browser, tmp_path: Path) -> None:
    found = opened(browser, tmp_path, a_sweep(tmp_path))
    figure = found.show().locator("[data-chart=scaling]")
    figure.scroll_into_view_if_needed()
    figure.locator("svg.main-svg").first.wait_for()
    assert "jax scan → jax jit" in figure.inner_text()
    assert found.errors == []
    found.context.close()


def test_what_was_learned_is_drawn_as_the_lesson_of_the_task_draws_it(browser: Browser, tmp_path: Path) -> None:
    found = opened(browser, tmp_path, learned_run(tmp_path / "a.jsonl"))
    page = found.show("focus=mlp_regression&at=learned")
    page.locator("[data-chart=fitted] svg.main-svg").first.wait_for()
    assert "this row, at the end" in page.locator("[data-chart=fitted]").inner_text()
    assert page.locator("#classes *").count() == 0
    page.locator("#learned [data-focus] button", has_text="mnist_mlp").click()
    assert page.locator(".digits canvas").count() == 2
    assert page.locator(".digits figcaption").all_inner_texts() == ["0: 90 %", "0: 75 %, is 1"]
    assert page.locator(".confusion td").all_inner_texts() == ["9", "1", "2", "8"]
    page.locator("[data-chart=goal] svg.main-svg").first.wait_for()
    assert page.locator("[data-chart=goal]").inner_text().count("3 epochs") == 2
    page.locator("#goal-list").select_option("0.8")
    playwright.expect(page.locator("[data-chart=goal]")).to_contain_text("2 epochs")
    assert "goal=0.8" in found.fragment
    assert not page.locator("[data-chart=fitted]").is_visible()
    assert found.errors == []
    found.context.close()


def test_a_row_that_is_wrong_reaches_no_goal(browser: Browser, tmp_path: Path) -> None:
    found = opened(browser, tmp_path, learned_run(tmp_path / "a.jsonl", wrong=True))
    page = found.show("focus=mnist_mlp&at=learned")
    page.locator("[data-chart=goal] svg.main-svg").first.wait_for()
    assert "jax scan" not in page.locator("[data-chart=goal]").inner_text()
    page.locator("[data-chart=metric] svg.main-svg").first.wait_for()
    assert "jax scan (failed parity)" in page.locator("[data-chart=metric]").inner_text()
    found.context.close()


def test_a_sweep_without_a_ranked_row_blames_no_filter(browser: Browser, tmp_path: Path) -> None:
    rows = tuple(point(batch, mode) for batch in BATCHES for mode in ("jit", "scan"))
    found = opened(browser, tmp_path, a_sweep(tmp_path, wrong=rows))
    figure = found.show().locator("[data-chart=scaling]")
    figure.scroll_into_view_if_needed()
    playwright.expect(figure).to_contain_text("No row is ranked at any size.")
    found.page.locator("#summary").scroll_into_view_if_needed()
    assert "No row is ranked" in found.page.locator("#summary").inner_text()
    found.context.close()


# Sorting, filtering, baseline


def test_a_click_sorts_up_then_down_then_as_the_result_is(good: Opened) -> None:
    page = good.page
    usual = labels(page)
    sort_by(page, "training")
    up = labels(page)[:4]
    assert page.locator("th[data-column=training]").get_attribute("aria-sort") == "ascending"
    sort_by(page, "training")
    assert labels(page)[:4] == up[::-1]
    assert good.fragment == "sort=training.desc"
    sort_by(page, "training")
    assert labels(page) == usual
    assert good.fragment == ""


def test_a_filter_hides_rows_changes_no_number_and_says_so(good: Opened) -> None:
    page = good.page
    before = cells(page, "torch eager")
    choose(page, "backend", "torch", "numpy")
    assert labels(page) == ["torch eager", "numpy loop"] * 2
    assert cells(page, "torch eager") == before
    status = page.locator("#status").inner_text()
    assert "4 of 8 rows are shown. No number changes" in status
    assert "which is hidden here: jax scan (linear_fit), jax scan (iris_mlp)" in status
    page.get_by_role("button", name="Show all").click()
    assert len(labels(page)) == 8
    assert page.locator("#status").inner_text() == ""


def test_a_search_finds_rows_by_several_words(good: Opened) -> None:
    good.page.keyboard.press("/")
    good.page.keyboard.type("iris num")
    assert labels(good.page) == ["numpy loop"]
    assert good.fragment == "q=iris+num"


def test_the_charts_show_the_rows_that_are_left(good: Opened) -> None:
    page = good.page
    choose(page, "backend", "torch")
    page.locator("[data-chart=strips]").scroll_into_view_if_needed()
    figure = page.locator("[data-chart=strips][data-drawn=yes]")
    figure.locator("svg.main-svg").first.wait_for()
    assert "torch eager" in figure.inner_text()
    assert "jax scan" not in figure.inner_text()


def test_a_row_becomes_the_baseline_with_the_comparisons_made_for_it(good: Opened) -> None:
    page = good.page
    page.get_by_role("button", name="Baseline numpy loop").first.click()
    assert good.fragment == "base=numpy%3Aloop"
    shown = cells(page, "torch eager")
    assert shown[3].startswith("0.6")
    assert shown[4] == "faster"
    assert cells(page, "numpy loop")[3] == "baseline"
    assert page.locator("tr.chosen").count() == 2
    assert "Baseline: numpy loop" in page.locator("#status").inner_text()
    page.get_by_role("button", name="Baseline numpy loop").first.click()
    assert page.locator("th[data-column=base]").count() == 0


def test_a_row_that_failed_parity_wins_nothing_and_cannot_be_a_baseline(browser: Browser, tmp_path: Path) -> None:
    found = opened(browser, tmp_path, failing_run(tmp_path / "a.jsonl"))
    page = found.show()
    assert labels(page)[0] == "jax scan"
    assert cells(page, "torch compile")[:3] == ["", "", "failed parity"]
    assert page.get_by_role("button", name="Baseline torch compile").count() == 0
    sort_by(page, "pass")
    assert labels(page)[0] == "jax scan"
    page.locator(".label", has_text="torch compile").click()
    detail = page.locator("tr.detail").inner_text()
    assert "which does not count" in detail
    assert "loss 2 at step 7" in detail
    page.goto(f"{found.path.as_uri()}#base=torch:compile")
    page.reload()
    assert "no ranked row is called torch:compile" in page.locator("#status").inner_text()
    assert found.errors == []
    found.context.close()


# The address


def test_the_view_comes_back_from_its_address(good: Opened) -> None:
    page = good.page
    choose(page, "backend", "torch", "numpy")
    page.get_by_role("button", name="Baseline torch eager").first.click()
    sort_by(page, "pass")
    sort_by(page, "pass")
    page.locator("[data-focus] button", has_text="iris_mlp").first.click()
    page.get_by_role("button", name="All columns").click()
    page.locator("details[data-open=raw] summary").click()
    page.locator("#theme").click()
    page.locator("#theme").click()
    playwright.expect(page).to_have_url(re.compile("open=raw"))
    before, fragment = labels(page), good.fragment
    good.show(fragment)
    assert labels(page) == before
    assert good.fragment == fragment
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.locator("[data-focus] button[aria-pressed=true]").first.inner_text() == "iris_mlp"
    assert page.locator("details[data-open=raw]").get_attribute("open") is not None
    assert page.locator("th[data-column=cores]").count() == 1
    assert page.locator("th[data-column=base]").count() == 1


def test_a_changed_fragment_changes_the_view_at_once(good: Opened) -> None:
    good.page.evaluate("location.hash = 'q=numpy'")
    playwright.expect(good.page.locator("#rows tr[data-row]")).to_have_count(2)
    assert labels(good.page) == ["numpy loop"] * 2


@pytest.mark.parametrize(
    "fragment", ["sort=nonsense.desc&task=gone", "samples", "%%%&base=::::&theme=pink&focus=%3Cb%3E"]
)
def test_a_fragment_that_makes_no_sense_does_no_harm(fragment: str, good: Opened) -> None:
    good.page.goto("about:blank")
    good.page.goto(f"{good.path.as_uri()}#{fragment}")
    good.page.wait_for_selector("#status")
    assert good.page.locator("#rows thead th").count() > 5


# Samples


def test_the_samples_are_one_click_away_and_can_be_saved(good: Opened) -> None:
    page = good.page
    page.locator("details[data-open=raw] summary").click()
    page.wait_for_selector("#raw tbody tr")
    assert page.locator("#raw tbody tr").count() == 25
    assert "1 to 25 of 64" in page.locator("#pager").inner_text()
    page.get_by_role("button", name="Later").click()
    assert "26 to 50 of 64" in page.locator("#pager").inner_text()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as CSV").click()
    lines = list(csv.DictReader(io.StringIO(Path(saved.value.path()).read_text())))
    assert len(lines) == 64
    assert {line["backend"] for line in lines} == {"jax", "tensorflow", "torch", "numpy"}
    assert 0.009 < float(next(line["pass_s"] for line in lines if line["backend"] == "jax")) < 0.011


# What is hostile


def test_text_of_a_run_file_is_shown_and_never_runs(browser: Browser, tmp_path: Path) -> None:
    found = opened(browser, tmp_path, harmful_run(tmp_path / "a.jsonl"))
    page = found.show()
    assert page.evaluate("document.documentElement.scrollWidth") == 1400
    page.evaluate("page.drawAll()")
    for each in page.locator("details[data-open]").all():
        each.evaluate("each => (each.open = true)")
    for name in page.locator("#rows .label").all():
        name.click()
    page.wait_for_timeout(200)
    assert page.evaluate("window.harmed") is None
    assert page.locator("img, main a:not([href^='#']), svg a").count() == 0
    assert "<script>window.harmed" in page.locator("#rows").inner_text()
    assert "<script>window.harmed" in page.locator("#classes").inner_text()
    assert "<script>window.harmed" in page.locator("#learned-words").inner_text()
    assert found.errors == []
    assert found.foreign() == []
    found.context.close()


def test_the_policy_stops_a_script_and_a_request_that_were_smuggled_in(browser: Browser, tmp_path: Path) -> None:
    found = opened(browser, tmp_path, good_run(tmp_path / "a.jsonl"))
    smuggled = "<script>window.harmed = 1</script><img src='https://example.org/x.png'><main>"
    found.path.write_text(found.path.read_text().replace("<main>", smuggled, 1))
    page = found.show()
    assert page.evaluate("window.harmed") is None
    assert len([error for error in found.errors if "Content Security Policy" in error]) == 2
    found.context.close()


# For everybody


def run_of_one_task(path: Path) -> Run:
    """Return a run whose page has half as much code for axe to look at; other runs have several tasks."""
    return good_run(path, TASKS[:1])


@pytest.mark.parametrize(
    ("make", "width", "scheme"),
    [
        (run_of_one_task, 1400, "light"),
        (learned_run, 390, "dark"),
        (failing_run, 1400, "dark"),
        (failing_run, 390, "light"),
    ],
)
def test_axe_finds_nothing(make: Any, width: int, scheme: Any, browser: Browser, tmp_path: Path) -> None:
    from axe_playwright_python.sync_playwright import Axe

    run = make(tmp_path / "a.jsonl")
    found = opened(browser, tmp_path, run, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = found.show("base=torch:eager&columns=all&open=raw&open=requests&open=code-mnist_mlp&focus=mnist_mlp")
    page.evaluate("page.drawAll()")
    page.locator("#rows .label").first.click()
    page.wait_for_selector("#raw tbody tr")
    result = Axe().run(page, options={"resultTypes": ["violations"]})  # describing what is right takes a fifth longer
    assert result.violations_count == 0, result.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    found.context.close()


def test_axe_would_find_something(good: Opened) -> None:
    from axe_playwright_python.sync_playwright import Axe

    theme = good.page.locator("#theme")
    text = theme.text_content()
    theme.evaluate("button => button.removeAttribute('aria-label')")
    theme.evaluate("button => (button.textContent = '')")
    assert Axe().run(good.page, context="#theme").violations_count == 1
    theme.evaluate("(button, text) => (button.textContent = text)", text)
    good.page.evaluate("page.showTheme()")  # which sets the label again


def test_the_keyboard_reaches_sorting_details_and_the_baseline(good: Opened) -> None:
    page = good.page
    page.locator("th[data-column=pass] button").focus()
    page.keyboard.press("Enter")
    assert good.fragment == "sort=pass"
    page.locator("#rows .label").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("tr.detail").count() == 1
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert good.fragment == "sort=pass&base=jax%3Ascan"
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"


def test_print_has_all_charts_and_no_buttons(anew: Opened) -> None:
    page = anew.page
    page.locator("#theme").click()
    page.locator("#theme").click()
    width = page.evaluate("document.querySelector('main').offsetWidth")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    charts = page.locator(".chart")
    drawn = [charts.nth(place).locator("svg.main-svg").count() > 0 for place in range(charts.count())]
    assert sum(drawn) >= 11
    wide = [float(each.get_attribute("width") or 0) for each in page.locator("svg.main-svg").all()]
    assert max(wide) <= 690
    assert not page.locator("#filters").is_visible()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.emulate_media(media="screen")
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("document.querySelector('main').offsetWidth") == width


# Several machines


def test_a_filter_of_machines_leaves_their_tables_and_changes_nothing_between_machines(
    browser: Browser, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    runs = [*lab(tmp_path, 3), a_run_on(tmp_path / "harm.jsonl", a_computer(7, cpu=HARM), {QUICK: 0.5})]
    path.write_text(page_of(runs))
    found = Opened(browser, path)
    page = found.show("at=across")
    heads = page.locator("#rows tr.machine").all_inner_texts()
    assert len(heads) == 4
    assert HARM.replace("\u202e", "\\u202e").replace("\x1b", "\\x1b") in heads[3]
    page.wait_for_selector("#across .chart[data-drawn=yes] .plot .scatterlayer")
    dots = page.locator("#across .plot .point").count()
    assert dots == 4 + 3 + 2  # jax on four machines, torch on three, and a mean of each
    choose(page, "machine", heads[0])
    assert page.locator("#rows tr.machine").all_inner_texts() == heads[:1]
    assert "3 of 11 rows are shown" in page.locator("#status").inner_text()
    assert page.locator("#across .plot .point").count() == dots
    choose(page, "backend", "jax")
    page.wait_for_function("document.querySelectorAll('#across .plot .point').length === 5")
    assert "machine=" in found.fragment
    assert page.evaluate("window.harmed") is None
    assert (found.errors, found.foreign()) == ([], [])
    found.context.close()
