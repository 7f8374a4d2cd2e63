#!/usr/bin/env bash
# The same by torchrun, under Slurm: sbatch --nodes 2 --ntasks-per-node 1 --gpus-per-node 8 recipes/cluster/two_machines.sh
# Not run here.
set -euo pipefail
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
srun torchrun --nnodes "$SLURM_NNODES" --nproc_per_node 8 \
  --rdzv_id "$SLURM_JOB_ID" --rdzv_backend c10d --rdzv_endpoint "$first:29500" \
  -m midcourse train steers.jsonl --model models/llama-3.1-70b --dtype bfloat16 --fsdp true \
  --activation_checkpointing true --per_device_train_batch_size 1 --output_dir shared/runs/house
