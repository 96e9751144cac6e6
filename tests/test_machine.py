"""What a run says of where it ran."""

from __future__ import annotations

from bench.machine import gpu_names, settings_of_frameworks, this_machine, usable_cores, versions


def test_variables_that_set_frameworks_are_kept_and_no_others() -> None:
    ours = {"OMP_PROC_BIND": "close", "TF_ENABLE_ONEDNN_OPTS": "0", "XLA_FLAGS": "--x"}
    others = {"HOME": "/home/somebody", "TF_CLI_CONFIG_FILE": "/home/somebody/.terraformrc", "PATH": "/bin"}
    assert settings_of_frameworks({**others, **ours}) == ours


def test_what_cannot_be_found_out_is_unknown_and_never_empty() -> None:
    machine = this_machine()
    assert machine.cores == len(usable_cores()) >= 1
    assert machine.memory_bytes > 0
    assert machine.gpus == gpu_names()
    assert all((machine.system, machine.cpu, machine.governor))


def test_versions_are_those_of_what_is_installed() -> None:
    assert {"levelfield", "numpy"} <= set(versions())
    assert all(versions().values())
