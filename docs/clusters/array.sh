#!/bin/sh
# The lines of a plan as an array of jobs, one node each: bench plan > jobs.txt && sbatch --array=1-4 array.sh
#SBATCH --exclusive
#SBATCH --nodes=1
#SBATCH --time=00:30:00
exec sh -c "$(sed -n "${SLURM_ARRAY_TASK_ID}p" jobs.txt)"
