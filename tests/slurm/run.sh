#!/usr/bin/env bash
# A sweep of this workbook on a real SLURM of one host: brought up for this, and shut down again.
#
#   tests/slurm/run.sh [--install]
#
# Needs root, and Debian's slurmctld, slurmd, slurm-client and munge (--install gets them by apt-get), and the
# executor: make environment-slurm. A SLURM that is configured on this host already is left alone. Runs the profile sweep.yaml and checks that its results are there and that SLURM made
# them. Exit status 0 only then.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
root="$(cd "$here/../.." && pwd)"
cd "$root"

[ "$(id -u)" = 0 ] || { echo "This brings up SLURM's daemons and has to be root." >&2; exit 2; }
if [ "${1:-}" = --install ]; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq slurmctld slurmd slurm-client munge >/dev/null
fi
for program in slurmctld slurmd sbatch munged; do
  command -v "$program" >/dev/null || { echo "$program is not installed: call $0 --install." >&2; exit 2; }
done
export PATH="$root/.venv/bin:$PATH"
python -c "import snakemake_executor_plugin_slurm" 2>/dev/null ||
  { echo "Snakemake's SLURM executor is not installed: make environment-slurm." >&2; exit 2; }

# Jobs find SLURM by this file alone: Snakemake takes SLURM_CONF from their environment.
configuration=/etc/slurm/slurm.conf
[ ! -e "$configuration" ] || { echo "There is a SLURM on this host already: $configuration." >&2; exit 2; }

work="$(mktemp -d)"
daemons=()
finish() {
  status=$?
  squeue --noheader --format=%i 2>/dev/null | xargs --no-run-if-empty scancel 2>/dev/null || true
  for process in "${daemons[@]}"; do kill "$process" 2>/dev/null || true; done
  wait
  rm -f "$configuration"
  if [ $status = 0 ]; then rm -rf "$work"; else echo "Logs are in $work" >&2; fi
}
trap finish EXIT

# === SLURM on this host ===

host="$(hostname -s)"
mkdir -p "$work/spool" "$work/state" "$(dirname "$configuration")"
dd if=/dev/urandom of="$work/munge.key" bs=1024 count=1 status=none
chmod 600 "$work/munge.key"
cat >"$configuration" <<CONFIGURATION
ClusterName=one
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=26817
SlurmdPort=26818
AuthType=auth/munge
AuthInfo=socket=$work/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmUser=root
SlurmdSpoolDir=$work/spool
StateSaveLocation=$work/state
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$(awk '/MemTotal/ {print int($2 / 1200)}' /proc/meminfo) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONFIGURATION

munged --foreground --force --key-file="$work/munge.key" --socket="$work/munge.socket" \
  --pid-file="$work/munged.pid" --log-file="$work/munged.log" --seed-file="$work/munged.seed" &
daemons+=($!)
for _ in $(seq 50); do [ -S "$work/munge.socket" ] && break; sleep 0.2; done
slurmctld -D >"$work/slurmctld.log" 2>&1 &
daemons+=($!)
slurmd -D -N "$host" >"$work/slurmd.log" 2>&1 &
daemons+=($!)
for _ in $(seq 150); do [ "$(sinfo --noheader --format=%T 2>/dev/null)" = idle ] && break; sleep 0.2; done
[ "$(sinfo --noheader --format=%T)" = idle ] || { echo "SLURM did not come up." >&2; exit 1; }
echo "SLURM $(sinfo --version | cut -d' ' -f2) is up on $host."

# === The sweep ===

# There is no accounting here, so squeue says how jobs fare, and string resources need their quotes twice.
export MOSAIC_REPORTS="$work/reports"
snakemake everything --snakefile Snakefile --config "profile=$here/sweep.yaml" \
  --executor slurm --jobs 2 --cores "$(nproc)" --keep-going --quiet rules \
  --slurm-status-command squeue --slurm-init-seconds-before-status-checks 3 \
  --default-resources "slurm_partition='all'" "slurm_account='none'" runtime=30 mem_mb=1000

# === What has to be there ===

runs="$MOSAIC_REPORTS/sweep/runs"
for run in train/minicity-128x128-mnmh480-mosaic-bins4.8-lr0.003 train/minicity-128x128-mnmh480-mosaic-bins4.8-lr0.006 \
  evaluate/minicity-128x128-mnmh480-mosaic-bins4.8; do
  python - "$runs/$run" <<'CHECK'
import json, pathlib, sys

folder = pathlib.Path(sys.argv[1])
record, result = (json.loads((folder / name).read_text()) for name in ("run.json", "result.json"))
assert record["status"] == "done", record
miou = result.get("miou", result.get("best_val_miou"))
assert 0 < miou < 1, miou
print(f"{folder.parent.name}/{folder.name}: mIoU {100 * miou:.2f} %, {record['wall_s']} s")
CHECK
done
completed="$(scontrol --oneliner show job | grep -c JobState=COMPLETED || true)"
[ "$completed" = 3 ] || { echo "SLURM completed $completed jobs, not 3." >&2; exit 1; }
echo "SLURM ran the sweep: $completed jobs."
