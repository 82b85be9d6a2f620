#!/bin/bash -l

#BSUB -q long
#BSUB -P battery-2026
#BSUB -n 64
#BSUB -R "span[ptile=32]"
#BSUB -W 48:00
#BSUB -J heterofire
#BSUB -o FW_job-%J.out
#BSUB -e FW_job-%J.error

export OMP_NUM_THREADS=1
command -v module >/dev/null 2>&1 || . /etc/profile
module load intel/2023b || { echo 'heterofire: cannot load module intel/2023b' >&2; exit 78; }
module load vasp/6.4.3 || { echo 'heterofire: cannot load module vasp/6.4.3' >&2; exit 78; }
cd /home/ann/project/runs
/opt/python/bin/rlaunch -w /home/ann/project/my_fworker.yaml singleshot
