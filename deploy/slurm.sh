#!/bin/bash
# Pre-training under Slurm: a Ray cluster on the allocated nodes, which runs one job and ends with it.
#
#   sbatch deploy/slurm.sh --config jobs/configs/paper-xlmr.yaml --data /shared/prepared --output /shared/runs/xlmr
#
# Arguments are those of jobs/pretrain.py; --workers.number 16 for two nodes. Submit it in the checkout, with its virtual
# environment in .venv, on a file system that all nodes see. Before the first use:
#
#   (umask 077; mkdir -p ~/.ray; RAY_AUTH_MODE=token ray get-auth-token --generate > /dev/null)
#
# Five minutes before the time limit, and on preemption, the job saves a checkpoint and is queued again, to resume.
#SBATCH --job-name=clism-pretrain
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --exclusive
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@300
#SBATCH --requeue
#SBATCH --open-mode=append

set -euo pipefail

source .venv/bin/activate
export RAY_AUTH_MODE=token # refuses clients without ~/.ray/auth_token: other users of a node could run code otherwise
export TOKENIZERS_PARALLELISM=false
: "${MLFLOW_TRACKING_URI:?several nodes need an MLflow server: set MLFLOW_TRACKING_URI}"

nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
head_node=${nodes%%$'\n'*}
port=$((20000 + SLURM_JOB_ID % 10000)) # two jobs may share a node unless it is exclusive

# Only the process of the job is asked to stop: a signal to the whole step would end Ray at the same time. That of
# symmetric-run has the same command in its own, but not at the start.
job='^[^ ]*python[0-9.]* jobs/pretrain\.py'
stopping=false
stop() {
    stopping=true
    srun --overlap --nodes=1 --ntasks=1 --nodelist="$head_node" pkill -TERM -u "$USER" -f "$job" || true
}
trap stop TERM INT

srun --kill-on-bad-exit=0 ray symmetric-run --address "$head_node:$port" --min-nodes "$SLURM_JOB_NUM_NODES" \
    --num-gpus "${SLURM_GPUS_ON_NODE:-0}" -- python jobs/pretrain.py "$@" &
step=$!

status=0
wait "$step" || status=$?
while kill -0 "$step" 2> /dev/null; do # a signal interrupts `wait`
    status=0
    wait "$step" || status=$?
done

if $stopping; then
    echo "stopped with status $status; queued again"
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
