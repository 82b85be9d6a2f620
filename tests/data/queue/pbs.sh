#!/bin/bash

#PBS -l nodes=2:ppn=32
#PBS -l walltime=48:00:00
#PBS -q long
#PBS -A battery-2026
#PBS -N heterofire
#PBS -o FW_job.out
#PBS -e FW_job.error

export OMP_NUM_THREADS=1
command -v module >/dev/null 2>&1 || . /etc/profile
module load intel/2023b || { echo 'heterofire: cannot load module intel/2023b' >&2; exit 78; }
module load vasp/6.4.3 || { echo 'heterofire: cannot load module vasp/6.4.3' >&2; exit 78; }
cd /home/ann/project/runs
/opt/python/bin/rlaunch -w /home/ann/project/my_fworker.yaml singleshot

# CommonAdapter (PBS) completed writing Template
