#!/bin/bash
# Written by python run.py cluster render --provider slurm --to cluster/slurm.sh
# Ray 2.58.0 · at most 8 H200 GPUs and 192 CPUs, all at the same time
# Change it by writing it again with other options (docs/cluster.md), or by hand: python run.py cluster check FILE
#
#   sbatch cluster/slurm.sh        once more to go on: what is finished is kept
#
# Needs the environment of this project on a disk that all nodes see: W2S=/shared/weak-to-strong with its .venv (docs/cluster.md).
#SBATCH --job-name=w2s
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=192
#SBATCH --mem=1843G
#SBATCH --gres=gpu:8
#SBATCH --time=7-00:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@300
#SBATCH --output=%x-%j.log

set -euo pipefail
umask 077 # the token below is nobody else's

W2S="${W2S:-$SLURM_SUBMIT_DIR}"
cd "$W2S"
export PATH="$W2S/.venv/bin:$PATH" RAY_USAGE_STATS_ENABLED=0 RAY_BACKEND_LOG_LEVEL=fatal
command -v ray > /dev/null || { echo "error: no program ray in $W2S/.venv/bin; install the project there, or say where with W2S=" >&2; exit 3; }

# Other users share these nodes and can reach every port: Ray answers only who has the token. A file, because the arguments and
# the environment of a process can be seen by others.
secret="$HOME/.w2s-$SLURM_JOB_ID"
mkdir -p "$secret"
temporary="$(mktemp -d)" # of Ray, on every node: a folder of this job alone
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$secret/token"
python -c 'import secrets; print(secrets.token_hex(32), end="")' > "$RAY_AUTH_TOKEN_PATH"

driver=
# shellcheck disable=SC2329 # the traps call both
end() {
    trap - EXIT TERM USR1
    if [[ -n "$driver" ]]; then
        kill -TERM "$driver" 2> /dev/null || true # it keeps what is finished
        wait "$driver" || true
    fi
    # shellcheck disable=SC2046 # one word for each process
    kill $(jobs -p) 2> /dev/null || true
    rm -r "$secret"
    rm -rf "$temporary" || true # processes of Ray that are still ending may write into it
}
# 300 s before the time is up. SIGTERM comes from scancel, which shall end the job, and when a higher priority takes the nodes,
# after which Slurm queues it again by itself (--requeue).
# shellcheck disable=SC2329
again() {
    end
    scontrol requeue "$SLURM_JOB_ID"
    exit 0
}
trap end EXIT
trap 'exit 143' TERM
trap again USR1

head="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)"
ip="$(srun --overlap --nodes=1 --ntasks=1 --nodelist="$head" hostname -I | cut -d ' ' -f 1)"
# Ports of this job alone: several Rays may share a node.
port=$((20000 + SLURM_JOB_ID % 10000 * 4))
export RAY_ADDRESS="$ip:$port"
node=(--num-cpus="$SLURM_CPUS_PER_TASK" --min-worker-port=0 --max-worker-port=0 --dashboard-agent-listen-port=$((port + 2)) --block)
node+=(--num-gpus=8)

# Ray waits half a minute for a node that it starts; a shared disk may give its files later than that the first time.
begin() { # begin OPTIONS OF SRUN... ray start...
    local step
    trap '[[ -z "${step:-}" ]] || kill "$step"; exit 143' TERM
    for _ in 1 2 3; do
        SECONDS=0
        srun --overlap --export=ALL "$@" &
        step=$!
        wait "$step" && return 0
        ((SECONDS < 180)) || return 1 # it had started, and this is its end
    done
    return 1
}
begin --nodes=1 --ntasks=1 --nodelist="$head" \
    ray start --head --port="$port" --node-ip-address="$ip" --ray-client-server-port=$((port + 1)) \
    --include-dashboard=false --dashboard-port=$((port + 3)) --temp-dir="$temporary" "${node[@]}" &
first=$!
until ray health-check --address "$RAY_ADDRESS" > /dev/null 2>&1; do
    kill -0 "$first" 2> /dev/null || { echo "error: Ray did not start on $head; its own words stand above" >&2; exit 3; }
    sleep 2
done
if ((SLURM_NNODES > 1)); then
    begin --nodes=$((SLURM_NNODES - 1)) --ntasks=$((SLURM_NNODES - 1)) --exclude="$head" \
        ray start --address="$RAY_ADDRESS" "${node[@]}" &
fi
python -m cluster.waiting "$SLURM_NNODES"

python run.py --videos /shared/example/videos --preset paper --stages 3 --out /shared/example/runs/first --set run.max_cpus=192 --set run.max_gpus=8 --set pools.score.gpus=0.25 --set pools.score.gpus_of.qalign=1 --set training.workers=8 &
driver=$!
wait "$driver" && code=0 || code=$?
driver=
exit "$code"
