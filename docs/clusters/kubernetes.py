"""A cluster of Dask on Kubernetes, one worker a node, for `bench run --cluster`.

`python kubernetes.py IMAGE NODES | kubectl apply -f -`, where the operator of dask-kubernetes is installed. The image
has levelfield[cluster] and the frameworks.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from dask_kubernetes.operator import make_cluster_spec

NAME = "levelfield"
QUIET = {"DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False", "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "2s"}
CORES, MEMORY = "8", "16Gi"  # of a worker: whole cores, requested and granted, so that nobody shares them


def cluster(image: str, nodes: int) -> dict[str, Any]:
    """Return the description of the cluster."""
    resources = {"requests": {"cpu": CORES, "memory": MEMORY}, "limits": {"cpu": CORES, "memory": MEMORY}}
    found: dict[str, Any] = make_cluster_spec(
        name=NAME,
        image=image,
        n_workers=nodes,
        resources=resources,
        env=QUIET,
        worker_command=["dask", "worker", "--nthreads", "1"],
    )
    pod = found["spec"]["worker"]["spec"]
    # A pod that is started again has another name; the machine is the node.
    node = {"name": "BENCH_HOST", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    pod["containers"][0]["env"].append(node)
    ours = {"dask.org/cluster-name": NAME, "dask.org/component": "worker"}
    apart = {"labelSelector": {"matchLabels": ours}, "topologyKey": "kubernetes.io/hostname"}
    pod["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}}
    return found


if __name__ == "__main__":
    print(json.dumps(cluster(sys.argv[1], int(sys.argv[2])), indent=1))
