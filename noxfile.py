"""Sessions: `tests`, `coverage`, `bench`, `lint`, `report`, `selftest`. Each has its own environment."""

from __future__ import annotations

from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["tests"]
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True

README_COLUMNS = (
    *("task", "backend", "mode", "pass", "× fastest", "verdict", "first call", "of bound", "cores", "result", "agrees"),
)
CONSTRAINTS = "--constraint=constraints.txt"  # versions that were tested together


# Two processes; tests of a group stay in one. Later options win: `-n 0` is one process, and so is `--pdb`.
PYTEST = ("pytest", "--numprocesses=2", "--dist=loadgroup")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests in two processes; further arguments go to pytest, as in `nox -s tests -- -m "not slow"`."""
    session.install("--editable", ".[all,test]", CONSTRAINTS)
    session.run("bench", "data")
    session.run(*PYTEST, *session.posargs)


@nox.session
def coverage(session: nox.Session) -> None:
    """Show which lines and branches of `bench/` and `backends/` the tests reach, in worker processes too."""
    session.install("--editable", ".[all,test]", CONSTRAINTS)
    session.run("bench", "data")
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", *PYTEST, *session.posargs)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


@nox.session
def bench(session: nox.Session) -> None:
    """Check and time the headline tasks on every backend and mode; further arguments go to `bench run`."""
    session.install("--editable", ".[all]", CONSTRAINTS)
    session.run("bench", "run", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and types."""
    session.install("--editable", ".[lint]", "nox", CONSTRAINTS)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session
def selftest(session: nox.Session) -> None:
    """Hold the suite's own claims against samples of known truth, on this machine; the result is kept in results/."""
    session.install("--editable", ".", CONSTRAINTS)
    session.run("bench", "selftest", *session.posargs)


@nox.session
def report(session: nox.Session) -> None:
    """Make the reference results of this machine anew: the run file, its table as markdown and as csv."""
    session.install("--editable", ".[all]", CONSTRAINTS)
    fresh = Path("results/run-reference.jsonl")  # git does not look at it: the run is of a checkout without changes
    fresh.unlink(missing_ok=True)
    session.run("bench", "run", "--out", str(fresh), *session.posargs)
    fresh.replace("results/reference.jsonl")
    for name in ("reference.md", "reference.csv"):
        session.run("bench", "table", "results/reference.jsonl", "--out", f"results/{name}")
    show_in_readme(Path("results/reference.md").read_text(), Path("README.md"))


def show_in_readme(results: str, readme: Path) -> None:
    """Put the main columns of a markdown table, and what stands below it, between the README's markers."""
    table, _, below = results.partition("\n\n")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    kept = [i for i, name in enumerate(rows[0]) if name in README_COLUMNS]
    rows[1] = ["---"] * len(rows[0])
    lines = ["| " + " | ".join(row[i] for i in kept) + " |" for row in rows]
    before, start, rest = readme.read_text().partition("<!-- results -->\n")
    _, end, after = rest.partition("<!-- /results -->\n")
    readme.write_text("".join([before, start, "\n".join(lines), "\n\n", below.strip(), "\n", end, after]))
