#!/usr/bin/env bash
# Train as a Slurm job: one task per GPU; GPUS_PER_NODE=0 runs GPUS CPU tasks without asking for a GPU.
# Usage: [GPUS=8 GPUS_PER_NODE=8 CPUS_PER_TASK=5 SRUN_ARGS="--time=1:00:00"] bash tools/slurm_train.sh PARTITION JOB CONFIG [train.py arguments]
set -euo pipefail

if [ "$#" -lt 3 ]; then
    sed -n '2,3s/^# //p' "$0" >&2
    exit 2
fi
PARTITION=$1
JOB=$2
CONFIG=$3
shift 3

GPUS=${GPUS:-8}
GPUS_PER_NODE=${GPUS_PER_NODE:-8}
RESOURCES=(--ntasks="$GPUS" --cpus-per-task="${CPUS_PER_TASK:-5}")
if [ "$GPUS_PER_NODE" -gt 0 ]; then
    TASKS_PER_NODE=$((GPUS < GPUS_PER_NODE ? GPUS : GPUS_PER_NODE))
    RESOURCES+=(--gres="gpu:$TASKS_PER_NODE" --ntasks-per-node="$TASKS_PER_NODE")
fi
# Words of SRUN_ARGS are separate options.
read -r -a EXTRA <<<"${SRUN_ARGS:-}"

exec srun --partition="$PARTITION" --job-name="$JOB" "${RESOURCES[@]}" --kill-on-bad-exit=1 \
    ${EXTRA[@]+"${EXTRA[@]}"} \
    python -u "$(dirname "$0")/train.py" "$CONFIG" --launcher slurm "$@"
