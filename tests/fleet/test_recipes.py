"""The recipes of docs/cluster.md, as far as they can be tried without a cluster."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fleet_runs import ENVIRONMENT, WAIT_S, runs_in, until
from support import ROOT, run_bench

from bench.records.runfile import read_run

RECIPES = ROOT / "docs" / "clusters"
QUICK = ("--backend", "numpy", "--quick", "--no-inference")


def recipe(name: str) -> ModuleType:
    """Return a recipe as a module."""
    spec = importlib.util.spec_from_file_location(f"recipe_{name}", RECIPES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the packages of others, while they are imported
        yield


# Kubernetes


@pytest.fixture
def described() -> Any:
    pytest.importorskip("dask_kubernetes")
    return recipe("kubernetes").cluster("an-image", 3)


def test_a_cluster_on_kubernetes_is_what_the_operator_takes(described: Any) -> None:
    import dask_kubernetes

    jsonschema, yaml = pytest.importorskip("jsonschema"), pytest.importorskip("yaml")
    crds = Path(dask_kubernetes.__file__).parent / "operator/deployment/helm/dask-kubernetes-operator/crds"
    crd = yaml.safe_load((crds / "daskcluster.yaml").read_text())
    (version,) = crd["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    described["spec"]["scheduler"]["spec"]["containers"][0].pop("resources", None)
    jsonschema.validate(described, schema)
    wrong = {**described, "spec": {**described["spec"], "worker": {"replicas": "three"}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema)
    assert crd["spec"]["names"]["kind"] == described["kind"]
    assert described["apiVersion"] == f"{crd['spec']['group']}/{version['name']}"


def test_a_worker_on_kubernetes_is_named_after_its_node_and_alone_there(described: Any) -> None:
    worker = described["spec"]["worker"]
    assert worker["replicas"] == 3
    (container,) = worker["spec"]["containers"]
    environment = {each["name"]: each for each in container["env"]}
    assert environment["BENCH_HOST"]["valueFrom"] == {"fieldRef": {"fieldPath": "spec.nodeName"}}
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert container["args"][:4] == ["dask", "worker", "--nthreads", "1"]
    (apart,) = worker["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert apart["topologyKey"] == "kubernetes.io/hostname"
    labels = {"dask.org/cluster-name": described["metadata"]["name"], "dask.org/component": "worker"}
    assert apart["labelSelector"] == {"matchLabels": labels}


# Slurm

SBATCH = """#!/bin/sh
# Slurm's sbatch as far as dask-jobqueue sees it: it runs the job at once, on this machine.
export SLURMD_NODENAME=node7 SLURM_JOB_END_TIME=$(($(date +%s) + 3600))
cp "$1" "$JOBS/$$.sh"  # as Slurm does: the script is removed when it is submitted
setsid sh "$JOBS/$$.sh" >"$JOBS/$$.out" 2>&1 &
echo $! >"$JOBS/$$.pid"
echo "Submitted batch job $$"
"""
SCANCEL = """#!/bin/sh
for job in "$@"; do echo "$job" >>"$JOBS/cancelled"; kill -- -"$(cat "$JOBS/$job.pid")"; done
"""


@pytest.mark.slow
def test_a_cluster_on_slurm_measures_a_run(tmp_path: Path) -> None:
    pytest.importorskip("dask_jobqueue")
    programs, jobs = tmp_path / "bin", tmp_path / "jobs"
    programs.mkdir()
    jobs.mkdir()
    for name, script in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)
    environment = {**ENVIRONMENT, "PATH": f"{programs}:{os.environ['PATH']}", "JOBS": str(jobs)}
    with subprocess.Popen(
        [sys.executable, str(RECIPES / "slurm.py"), "1"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as cluster:
        assert cluster.stdout is not None
        address = cluster.stdout.readline().strip()
        result = run_bench("run", "line_fit", *QUICK, "--cluster", address, "--out", "run", cwd=tmp_path)
        cluster.communicate("\n", timeout=WAIT_S)
    assert result.returncode == 0, result.stderr
    (run,) = runs_in(tmp_path / "run")
    assert run.header.host == "node7"
    (script,) = jobs.glob("*.sh")
    for line in ("-p compute", "--exclusive", "--cpus-per-task=32", "--mem=0", "-t 02:00:00"):
        assert f"#SBATCH {line}\n" in script.read_text()
    assert "--nthreads 1 " in script.read_text()
    until((jobs / "cancelled").exists, "the end of the job")


# Without Dask


@pytest.fixture
def planned(tmp_path: Path) -> Path:
    words = ("line_fit", "thermometer_raw", *QUICK, "--out", "a lab", "--data-dir", "it's data")
    result = run_bench("plan", *words, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    (tmp_path / "jobs.txt").write_text(result.stdout)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "bench").write_text(f'#!/bin/sh\nexec {sys.executable} -m bench "$@"\n')
    (tmp_path / "bin" / "bench").chmod(0o755)
    (tmp_path / "it's data").mkdir()
    return tmp_path


def shell(command: list[str], folder: Path, **environment: str) -> None:
    found = {**ENVIRONMENT, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", **environment}
    with (folder / "jobs.txt").open() as lines:
        subprocess.run(
            command,
            cwd=folder,
            stdin=lines,
            check=True,
            timeout=WAIT_S,
            env=found,
        )


@pytest.mark.slow
def test_the_lines_of_a_plan_run_by_xargs(planned: Path) -> None:
    shell(["xargs", "-d", "\\n", "-n", "1", "sh", "-c"], planned)
    runs = runs_in(planned / "a lab")
    assert [run.header.rows[0].task.partition(":")[0] for run in runs] == ["line_fit", "thermometer_raw"]
    assert all(record.status == "ok" for run in runs for record in run.records)
    assert len({run.header.schedule_seed for run in runs}) == 1


@pytest.mark.slow
def test_the_lines_of_a_plan_run_as_an_array_of_slurm_that_knows_its_end(planned: Path) -> None:
    script = str(RECIPES / "array.sh")
    end = str(int(time.time()) + 3600)
    shell(["sh", script], planned, SLURM_ARRAY_TASK_ID="2", SLURM_JOB_END_TIME=end)
    (path,) = (planned / "a lab").iterdir()
    assert path.name == "02-thermometer_raw.jsonl"
    assert read_run(path).header.rows[0].task.startswith("thermometer_raw")
    with pytest.raises(subprocess.CalledProcessError):  # too little time: refused before there is a file
        shell(["sh", script], planned, SLURM_ARRAY_TASK_ID="1", SLURM_JOB_END_TIME=str(int(time.time()) + 60))
    assert list((planned / "a lab").iterdir()) == [path]
