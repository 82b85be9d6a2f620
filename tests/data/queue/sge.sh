#!/bin/bash -l

#$ -S /bin/bash
#$ -q long
#$ -P battery-2026
#$ -pe mpi 64
#$ -l h_rt=48:00:00
#$ -N heterofire
#$ -o FW_job.out
#$ -e FW_job.error
#$ -cwd

export OMP_NUM_THREADS=1
command -v module >/dev/null 2>&1 || . /etc/profile
module load intel/2023b || { echo 'heterofire: cannot load module intel/2023b' >&2; exit 78; }
module load vasp/6.4.3 || { echo 'heterofire: cannot load module vasp/6.4.3' >&2; exit 78; }
cd /home/ann/project/runs
/opt/python/bin/rlaunch -w /home/ann/project/my_fworker.yaml singleshot
