#!/bin/bash
# A Ray cluster for the length of one Slurm job: the head on its first node, workers on
# the others, then one command; when that ends, all end.
#
#   sbatch examples/slurm.sh pipeline extract --dataset ucf101 --out /lab/stores/ucf101
#   sbatch --requeue --nodes 8 examples/slurm.sh pipeline extract ...
#
# The same line again goes on where a job was cut off by its time limit: Slurm sends
# SIGTERM a minute before (--signal), and what is finished stays. Exit codes are those of
# the command. Installed by `make .venv/installed` on a folder that all nodes see; call
# this from that folder, or name it in MOTION_SHARDS.

#SBATCH --job-name=motion-shards
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-node=1
#SBATCH --time=12:00:00
#SBATCH --signal=B:TERM@60
#SBATCH --output=motion-shards-%j.log

set -euo pipefail

if [ $# -eq 0 ]; then
    echo "expected a command, such as: sbatch $0 pipeline extract ..." >&2
    exit 2
fi

export PATH="${MOTION_SHARDS:-${SLURM_SUBMIT_DIR:-$PWD}}/.venv/bin:$PATH"
export RAY_USAGE_STATS_ENABLED=0 PYTHONUNBUFFERED=1

# Ray's own files: short (sockets have short names), local, and of this job alone.
export RAY_TMPDIR="/tmp/ray-$SLURM_JOB_ID"
# A token of this job alone: nodes are shared, and whoever reaches Ray can run anything.
RAY_AUTH_TOKEN=$(python3 -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN

# What the job was given; Ray would count the whole node.
cores=${SLURM_CPUS_PER_TASK:-$(nproc)}
gpus=$(printf %s "${SLURM_GPUS_ON_NODE:-0}" | tr -dc 0-9)
limits="--num-cpus=$cores --num-gpus=${gpus:-0} --disable-usage-stats"

nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=$(printf '%s\n' "$nodes" | head -n 1)
head_ip=$(srun --nodes=1 --ntasks=1 -w "$head" hostname -I | cut -d' ' -f1)
port=$((20000 + SLURM_JOB_ID % 20000)) # two jobs may share a node
export RAY_ADDRESS="$head_ip:$port"    # what `--ray auto` joins

running=""
finish() {
    # shellcheck disable=SC2086  # several numbers
    [ -z "$running" ] || kill $running 2>/dev/null || true
    wait || true
}
trap finish EXIT

echo "head: $head ($RAY_ADDRESS)"
# shellcheck disable=SC2086
srun --nodes=1 --ntasks=1 --overlap -w "$head" --export=ALL,RAY_ADDRESS= \
    ray start --head --block --node-ip-address="$head_ip" --port="$port" \
    --include-dashboard=false $limits &
running="$running $!"

for attempt in $(seq 60); do
    if python3 -c "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)" \
        "$head_ip" "$port" 2>/dev/null; then
        break
    fi
    if [ "$attempt" = 60 ]; then
        echo "expected Ray's head at $RAY_ADDRESS, nobody answers; see $RAY_TMPDIR on $head" >&2
        exit 1
    fi
    sleep 2
done

workers=$(printf '%s\n' "$nodes" | tail -n +2 | paste -sd, -)
if [ -n "$workers" ]; then
    count=$(printf '%s\n' "$nodes" | tail -n +2 | wc -l)
    # shellcheck disable=SC2086
    srun --nodes="$count" --ntasks="$count" --overlap -w "$workers" --export=ALL,RAY_ADDRESS= \
        ray start --block --address="$head_ip:$port" $limits &
    running="$running $!"
fi

# The command runs here, on the first node, and needs none of the reserved cores. In the
# background, so that this shell can pass on the signal of the time limit.
"$@" &
command=$!
told=""
trap 'told=yes; kill -TERM "$command" 2>/dev/null || true' TERM INT
while :; do
    code=0
    wait "$command" || code=$?
    [ -n "$told" ] || break
    told="" # that was the signal; ask again for the command's own code
done
exit "$code"
