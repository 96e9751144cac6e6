"""What people see of a run on a cluster: a line for each host, or a sentence for each thing that happens."""

from __future__ import annotations

import io

from rich.console import Console

from bench.events import HostSoFar
from bench.report.fleet_progress import QuietFleet, TerminalFleet, view

HOSTS = [
    HostSoFar(host="ada"),
    HostSoFar(
        host="bob", unit="02-line_fit", stage="round 3, 1 of 2 min", job="line_fit jax", done=4, total=9, left_s=70.0
    ),
    HostSoFar(host="cyd", unit="03-iris_mlp"),
]


def drawn(height: int = 20, hosts: list[HostSoFar] = HOSTS, width: int = 100) -> list[str]:
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    console.print(view(hosts, 1, 4, height))
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_hosts_that_measure_come_first_with_what_they_do() -> None:
    assert drawn() == [
        "host  unit         stage                jobs  at most  now",
        "bob   02-line_fit  round 3, 1 of 2 min  4/9   70 s     line_fit jax",
        "cyd   03-iris_mlp  begins",
        "ada                waits",
        "3 hosts, 2 measuring; 1 of 4 units whole",
    ]


def test_where_there_is_no_room_hosts_are_counted() -> None:
    lines = drawn(height=2)
    assert len(lines) == 4
    assert lines[-1] == "3 hosts, 2 measuring, 1 of them not shown; 1 of 4 units whole"
    assert all(len(line) <= 50 for line in drawn(width=50))


def test_texts_of_hosts_do_nothing_to_the_terminal() -> None:
    lines = drawn(hosts=[HostSoFar(host="\x1b[2Jevil", unit="u", stage="[bold]x[/]\nsecond", job="\x07")])
    assert "\\x1b[2Jevil" in lines[1]
    assert "[bold]x[/] second" in lines[1]
    assert "\\x07" in lines[1]


def test_without_a_terminal_each_sentence_is_a_line_and_nothing_is_drawn() -> None:
    file = io.StringIO()
    with TerminalFleet(Console(file=file, width=40)) as listener:
        listener.hosts(HOSTS, 1, 4)
        listener.say("left out: \x1b[31mbob: " + "x" * 60)
    assert file.getvalue() == "left out: \\x1b[31mbob: " + "x" * 60 + "\n"


def test_quiet_shows_nothing(capsys: object) -> None:
    with QuietFleet() as listener:
        listener.hosts(HOSTS, 1, 4)
        listener.say("anything")
    assert capsys.readouterr() == ("", "")  # type: ignore[attr-defined]
