"""A cluster of Dask on a partition of Slurm, one worker a node, for `bench run --cluster`: python slurm.py NODES.

Needs dask-jobqueue on the node where it runs, and levelfield[cluster] in the same environment on all nodes.
"""

from __future__ import annotations

import sys
from typing import Any

from dask_jobqueue import SLURMCluster

QUIET = {"DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False", "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "2s"}


def cluster(**changes: Any) -> SLURMCluster:
    """Return a cluster without workers; what is written here is for nodes of 32 cores in a partition `compute`."""
    usual = {
        "queue": "compute",
        "walltime": "02:00:00",  # of a job; units that do not fit into what is left of it go to other nodes
        "cores": 1,  # threads of Dask: one unit at a time
        "processes": 1,
        "memory": "4GB",  # of Dask's own process; those that measure have no limit
        "job_cpu": 32,  # all of a node
        "job_mem": "0",
        "job_extra_directives": ["--exclusive"],  # nobody else measures or computes there
        "job_script_prologue": [f"export {name}={value}" for name, value in QUIET.items()],
        "worker_extra_args": ["--no-dashboard"],
        "scheduler_options": {"dashboard_address": ":0"},
    }
    return SLURMCluster(**{**usual, **changes})


if __name__ == "__main__":
    with cluster() as made:
        made.scale(jobs=int(sys.argv[1]))
        print(made.scheduler_address, flush=True)
        print(f"bench run --cluster {made.scheduler_address}, from here; Enter ends the cluster", file=sys.stderr)
        sys.stdin.readline()
