"""Sessions, each in its own environment: tests, lint, coverage, simulation, mutation, faults, bench, report …"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import shlex
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nox

nox.needs_version = ">=2024.10.9"
nox.options.sessions = ["tests"]
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True

CONSTRAINTS = "--constraint=constraints.txt"  # versions that were tested together

NUMPY_A_YEAR_AGO = "numpy==2.3.5"  # of November 2025
AUDIT = Path("audit")  # ignored by git

# Tests that need no framework. The others need them all.
WITHOUT_FRAMEWORKS = (
    *("tests/analysis", "tests/machine", "tests/records", "tests/report", "tests/runs", "tests/tasks"),
    *("tests/test_layers.py", "tests/test_other_systems.py", "tests/test_security.py"),
)

# The frameworks that this suite is about, without guests, whose rows take a third of the time.
THE_FOUR = tuple(f"--backend={name}" for name in ("numpy", "torch", "tensorflow", "jax"))

# Of the packages, the tests import a small part, which Python compiles then: to compile all takes 50 s longer.
UNCOMPILED = ("--no-compile",)

# Two processes with a core each, and one that uses what they leave idle while they wait. tests/sharing.py groups the
# tests. Later options win: `-n 0` runs in one process, as does `--pdb`.
PYTEST = ("pytest", "--numprocesses=3")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests in three processes; other arguments are passed to pytest, as in `nox -s tests -- -m "not slow"`."""
    session.env["PYTHONDONTWRITEBYTECODE"] = ""  # else each process of the tests would compile what it imports
    session.install("--editable", ".[all,test]", CONSTRAINTS, *UNCOMPILED)
    session.run("bench", "data")
    session.run(*PYTEST, *session.posargs)


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
@nox.parametrize("numpy", ["today", "a year ago"])
def versions(session: nox.Session, numpy: str) -> None:
    """Run the quick tests that need no framework on each Python, with NumPy of today and of a year ago."""
    session.install("--editable", ".[report,sklearn,test]", f"--constraint={_constraints(session, numpy)}")
    session.run("bench", "data")
    session.run(*PYTEST, "-m", "not slow", *(session.posargs or WITHOUT_FRAMEWORKS))


def _constraints(session: nox.Session, numpy: str) -> Path:
    """Write constraints.txt with another NumPy to a file; return its path."""
    lines = Path("constraints.txt").read_text().splitlines()
    kept = [line for line in lines if numpy == "today" or not line.startswith("numpy==")]
    return _written(session, [*kept, *(() if numpy == "today" else (NUMPY_A_YEAR_AGO,))])


def _written(session: nox.Session, constraints: Iterable[str]) -> Path:
    """Write constraints to a file of the session; return its path."""
    path = Path(session.create_tmp()).resolve() / "constraints.txt"
    path.write_text("\n".join(constraints))
    return path


@nox.session
def lowest(session: nox.Session) -> None:
    """Run the quick tests that need no framework with the lowest versions that pyproject.toml allows."""
    session.install("--editable", ".[report,sklearn,test]", f"--constraint={_lowest(session)}")
    session.run("bench", "data")
    session.run(*PYTEST, "-m", "not slow", *(session.posargs or ("tests/cli", *WITHOUT_FRAMEWORKS)))


def _lowest(session: nox.Session) -> Path:
    """Write the lower bounds of all packages to a file of constraints; return its path."""
    project = nox.project.load_toml("pyproject.toml")["project"]
    needed = [*project["dependencies"], *itertools.chain.from_iterable(project["optional-dependencies"].values())]
    bounds = [re.match(r"([\w-]+)>=([\d.]+)", each) for each in needed]
    return _written(session, (f"{found[1]}=={found[2]}.*" for found in bounds if found))


@nox.session
def audit(session: nox.Session) -> None:
    """Ask for known vulnerabilities of what is tested together; write an SBOM, and the SHA-256 of what pip installs.

    It asks the package index on the internet, and fails where a package cannot be looked up.
    """
    AUDIT.mkdir(exist_ok=True)
    session.install("cyclonedx-bom>=7", "pip-audit>=2.9", "pip>=24.1")
    sbom = ("--output-reproducible", "--output-file", str(AUDIT / "sbom.cdx.json"))
    session.run("cyclonedx-py", "requirements", "--pyproject", "pyproject.toml", *sbom, "constraints.txt")
    report = ("--dry-run", "--ignore-installed", "--quiet", "--report", str(AUDIT / "installed.json"))
    session.run("python", "-m", "pip", "install", *report, "--editable", ".[all,test]", CONSTRAINTS)
    session.run("pip-audit", "--strict", "--disable-pip", "--no-deps", "--requirement", "constraints.txt")


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
    """Check and time the headline tasks in every mode of the four frameworks, for a first answer.

    Other arguments are passed to `bench run` instead, which by itself has Keras and scikit-learn, too.
    """
    session.install("--editable", ".[all]", CONSTRAINTS)
    session.run("bench", "run", *(session.posargs or THE_FOUR))


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and types."""
    session.install("--editable", ".[lint]", "nox", CONSTRAINTS, *UNCOMPILED)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session
def selftest(session: nox.Session) -> None:
    """Test the suite's own claims on this machine, on samples with known ratios; save the result in results/."""
    session.install("--editable", ".", CONSTRAINTS)
    session.run("bench", "selftest", *session.posargs)


@nox.session
def simulation(session: nox.Session) -> None:
    """Simulate runs on machines that are made up, where the truth is known; save the table in results/."""
    session.install("--editable", ".", CONSTRAINTS)
    session.run("python", "tests/analysis/simulation.py")


@nox.session
def machines(session: nox.Session) -> None:
    """Simulate machines with known ratios, and what is said of how they differ; save the tables in results/."""
    session.install("--editable", ".[report,test]", CONSTRAINTS)
    session.run("python", "tests/analysis/machines_simulation.py", env={"PYTHONPATH": "tests"})


@nox.session
def fuzz(session: nox.Session) -> None:
    """Try a million damaged files, settings and command lines; save the table in results/."""
    session.install("--editable", ".[report,test]", CONSTRAINTS)
    session.run("python", "tests/fuzz/session.py", *session.posargs)


@nox.session
def injected(session: nox.Session) -> None:
    """Inject every fault that a run must survive, many times; save what was seen and lost in results/injected.md.

    Takes about an hour. Words choose faults by name: `nox -s injected -- Ctrl-C`.
    """
    session.install("--editable", ".", CONSTRAINTS)
    session.run("python", "-m", "injected.table", *session.posargs, env={"PYTHONPATH": "tests"})


@nox.session
def soak(session: nox.Session) -> None:
    """Run 2,000 small jobs in one run and look at its parent process meanwhile; save the table in results/."""
    session.install("--editable", ".", "pytest", CONSTRAINTS)
    session.run("python", "tests/soak.py", *session.posargs)


@nox.session
def scale(session: nox.Session) -> None:
    """Read run files of up to 100,000 records; save what that takes in results/."""
    session.install("--editable", ".[report,store]", CONSTRAINTS)
    session.run("python", "tests/large_runs.py", *session.posargs)


@nox.session
def stores(session: nox.Session) -> None:
    """Merge run files of up to a million records and summarise the stores; save what that takes in results/."""
    session.install("--editable", ".[report,store]", "duckdb", CONSTRAINTS)
    session.run("python", "tests/large_stores.py", *session.posargs)


@nox.session
def trackers(session: nox.Session) -> None:
    """Let github-action-benchmark and pytest-benchmark read our files by their own code; needs git, node and npm.

    Another address of the first one's repository, such as a copy, may be given: `nox -s trackers -- ADDRESS`.
    """
    address = session.posargs[0] if session.posargs else "https://github.com/benchmark-action/github-action-benchmark"
    session.install("--editable", ".[sklearn]", CONSTRAINTS)
    folder = Path(session.create_tmp()).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    session.run("git", "clone", "--quiet", "--depth=1", address, str(folder), external=True)
    shutil.copy("tests/trackers/read.ts", folder)
    numbers = folder / "numbers.json"
    style = ("--format", "github-action-benchmark", "--where", "task=mnist_mlp")
    session.run("bench", "table", "results/reference.jsonl", *style, "--out", str(numbers))
    runs = [folder / f"{name}.json" for name in ("before", "after")]
    for run in runs:
        session.run(
            "pytest", "bench", "-k", "iris_mlp and (numpy or sklearn)", "--workers=2", f"--benchmark-json={run}"
        )
    session.run("pytest-benchmark", "compare", *map(str, runs))
    with session.chdir(folder):
        session.run("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", external=True)
        bundle = (
            "--yes",
            "esbuild",
            "read.ts",
            "--bundle",
            "--platform=node",
            "--outfile=read.js",
            "--log-level=warning",
        )
        session.run("npx", *bundle, external=True)
        session.run("node", "read.js", str(numbers), "14", external=True)


@nox.session
def page(session: nox.Session) -> None:
    """Make report pages of up to 10,000 records and open them in chromium; save what that takes in results/."""
    session.install("--editable", ".[report,test]", CONSTRAINTS)
    session.run("python", "tests/page_speed.py", *session.posargs, env={"PYTHONPATH": "tests"})


@nox.session
def mutation(session: nox.Session) -> None:
    """Test the tests: change the most important files in one place at a time, and list the changes no test notices."""
    session.install("--editable", ".", "mutmut>=3.8", CONSTRAINTS)
    shutil.rmtree("mutants", ignore_errors=True)  # mutmut would keep results from before a change of the tests
    session.run("mutmut", "run", "--max-children=2", *session.posargs)
    session.run("mutmut", "results")


@nox.session
def report(session: nox.Session) -> None:
    """Measure the reference results again on this machine, then write the pages that show them."""
    session.install("--editable", ".[all]", CONSTRAINTS)
    fresh = Path("results/run-reference.jsonl")  # ignored by git, so the run has a checkout without changes
    fresh.unlink(missing_ok=True)
    session.run("bench", "run", "--out", str(fresh), *session.posargs)
    fresh.replace("results/reference.jsonl")
    session.notify("pages", posargs=())


@nox.session
def lessons(session: nox.Session) -> None:
    """Run every command of docs/lessons.md, in order, and keep the pictures that they draw in docs/pictures/."""
    session.install("--editable", ".[all]", CONSTRAINTS)
    commands = [
        shlex.split(line) for line in Path("docs/lessons.md").read_text().splitlines() if line.startswith("    bench ")
    ]
    pictures = Path("docs/pictures").resolve()
    session.chdir(session.create_tmp())  # where run files stay
    for old in Path().glob("*.jsonl"):
        old.unlink()
    for command in commands:
        session.run(*command)
    for picture in (path for ending in ("svg", "png") for path in Path().glob(f"*.{ending}")):
        if any(picture.name in command for command in commands):  # a sweep draws one of times, too
            shutil.copy(picture, pictures)


@nox.session
def pages(session: nox.Session) -> None:
    """Write the picture and the tables of README.md and results/ from the kept runs."""
    session.install("--editable", ".[report]", CONSTRAINTS)
    session.run("python", "-m", "bench.report.pages")


VENDOR = Path("bench/report/page/vendor")  # libraries of the page that `bench report` writes


@nox.session(venv_backend="none")
def vendor(session: nox.Session) -> None:
    """Fetch the JavaScript libraries of the report page again with npm; fail if a file is not what vendor.json says.

    After a change of a version in vendor.json, `nox -s vendor -- --accept` writes the new SHA-256 there.
    """
    listed: list[dict[str, Any]] = json.loads((VENDOR / "vendor.json").read_text())
    for library in listed:
        folder = Path(session.create_tmp()).resolve() / library["file"]
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        content = _fetched(session, library, folder)
        found = hashlib.sha256(content).hexdigest()
        if "--accept" in session.posargs:
            library["sha256"] = found
        elif found != library["sha256"]:
            session.error(f"{library['file']}: SHA-256 {found}, vendor.json has {library['sha256']}")
        (VENDOR / library["file"]).write_bytes(content)
    (VENDOR / "vendor.json").write_text(json.dumps(listed, indent=2) + "\n")


def _fetched(session: nox.Session, library: dict[str, Any], folder: Path) -> bytes:
    """Return the file of a library as npm has it or, of one that comes in many files, bundled into one."""
    wanted = [f"{library['package']}@{library['version']}", *([library["bundler"]] if "bundler" in library else [])]
    install = ("npm", "install", "--silent", "--no-save", "--ignore-scripts", "--prefix", str(folder))
    session.run(*install, *wanted, external=True)
    if "taken_from" in library:
        return Path(folder, "node_modules", library["package"], library["taken_from"]).read_bytes()
    entry = shutil.copy(VENDOR / library["bundled_from"], folder)
    bundled = Path(folder, library["file"])
    session.run(
        *(
            str(folder / "node_modules/.bin/esbuild"),
            entry,
            "--bundle",
            "--minify",
            "--charset=utf8",
            "--target=es2020",
        ),
        *("--format=iife", "--global-name=TableCore", f"--banner:js=/* {library['name']}, {library['licence']} */"),
        f"--outfile={bundled}",
        external=True,
    )
    return bundled.read_bytes()
