"""What is known of each machine, from the headers of its runs."""

from __future__ import annotations

from support import a_header, a_machine

from bench.analysis.machine_facts import facts_by_machine
from bench.records.machines import machine_key

OLD = a_header(machine=a_machine(cpu="old", cores=4, memory_bytes=16 * 2**30, system="Linux 6.1.5-fc, Python 3.11.2"))
NEW = a_header(
    machine=a_machine(cpu="new", id="1", instructions=("avx2", "avx512f"), quota_cores=1.5, gpus=("a GPU", "a GPU")),
    versions={"numpy": "2.4.6"},
    environment={"OMP_WAIT_POLICY": "passive"},
)
LESS = a_header(machine=a_machine(cpu="less", id="2", instructions=("avx2",)), versions={"numpy": "2.4.5"})


def test_every_machine_has_the_same_facts_and_what_is_not_known_is_said() -> None:
    facts = facts_by_machine([OLD, NEW, LESS])
    old, new, less = (facts[machine_key(header)] for header in (OLD, NEW, LESS))
    assert list(old) == list(new) == list(less)
    assert (old["cores"], old["memory (GiB)"], old["system"], old["Python"]) == (4.0, 16.0, "Linux 6.1.5", "3.11.2")
    assert [each["avx512f"] for each in (old, new, less)] == ["unknown", "with", "without"]
    assert (new["CPU quota"], old["CPU quota"], new["GPUs"]) == ("1.5 cores", "none", "a GPU, a GPU")
    assert (old["version of numpy"], less["version of numpy"]) == ("none", "2.4.5")
    assert (old["variable OMP_WAIT_POLICY"], new["variable OMP_WAIT_POLICY"]) == ("not set", "passive")


def test_a_machine_that_has_changed_from_run_to_run_has_both_values() -> None:
    later = a_header(machine=NEW.machine, versions={"numpy": "2.5.0"})
    (facts,) = facts_by_machine([NEW, later, NEW]).values()
    assert facts["version of numpy"] == "2.4.6 and 2.5.0"
    assert facts["processor"] == "new"
