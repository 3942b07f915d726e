#!/usr/bin/env bash
# Train with several processes on one or more machines: GPUs with nccl, CPU processes with gloo.
# Usage: [NNODES=n NODE_RANK=r MASTER_ADDR=host PORT=p] bash tools/dist_train.sh CONFIG NUM_PROCS [train.py arguments]
set -euo pipefail

if [ "$#" -lt 2 ]; then
    sed -n '2,3s/^# //p' "$0" >&2
    exit 2
fi
CONFIG=$1
NUM_PROCS=$2
shift 2

exec python -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    --nproc_per_node="$NUM_PROCS" \
    "$(dirname "$0")/train.py" "$CONFIG" --launcher pytorch "$@"
