#!/usr/bin/env bash
# Real human corrections: mathematical solutions in which a person wrote the step that no candidate got right (PRM800K,
# phase 1; github.com/openai/prm800k, MIT). Trains the localized loss and, on the same steps, supervised fine-tuning on
# the spans, and compares both with the base on held-out problems, on the same forks, with paired intervals.
#
#   recipes/prm800k.sh [FILE.jsonl] [OUTPUT]      FILE defaults to $MIDCOURSE_DATA/prm800k-phase1/trajectories.jsonl
#
# SOLUTIONS=240 takes so many solutions (0: all), EPOCHS=1 passes over them, DTYPE=bfloat16 in this precision; SAMPLES=2
# at each fork.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
file=${1:-${MIDCOURSE_DATA:-../shared/data}/prm800k-phase1/trajectories.jsonl}
out=${2:-runs/prm800k}
if [[ ! -f $file ]]; then
  echo "$file is not there. Give the path of a PRM800K phase 1 file, or set MIDCOURSE_DATA to the folder above it." >&2
  exit 2
fi
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false PATH=$PWD/.venv/bin:$PATH
mkdir -p "$out"
dtype=${DTYPE:-bfloat16}
solutions=${SOLUTIONS:-240}
if ((solutions > 0)); then
  head -n "$solutions" "$file" >"$out/solutions.jsonl"
  file=$out/solutions.jsonl
fi
midcourse import prm800k "$file" --store "$out/prm800k.db"
for loss in fork sft; do
  midcourse train "$out/prm800k.db" --output_dir "$out/$loss" --loss_type "$loss" \
    --num_train_epochs "${EPOCHS:-1}" --per_device_train_batch_size 4 --max_drift 0.01 --drift_looks 0 --dtype "$dtype"
done
midcourse eval "$out/prm800k.db" --adapter "$out/fork" --adapter "$out/sft" --samples "${SAMPLES:-2}" \
  --dtype "$dtype" --output_dir "$out/report"
