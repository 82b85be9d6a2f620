#!/bin/bash -l

#SBATCH --nodes=2
#SBATCH --ntasks-per-node=32
#SBATCH --time=48:00:00
#SBATCH --partition=long
#SBATCH --account=battery-2026
#SBATCH --job-name=heterofire
#SBATCH --output=heterofire-%j.out
#SBATCH --error=heterofire-%j.error


export OMP_NUM_THREADS=1
command -v module >/dev/null 2>&1 || . /etc/profile
module load intel/2023b || { echo 'heterofire: cannot load module intel/2023b' >&2; exit 78; }
module load vasp/6.4.3 || { echo 'heterofire: cannot load module vasp/6.4.3' >&2; exit 78; }
cd /home/ann/project/runs
/opt/python/bin/rlaunch -w /home/ann/project/my_fworker.yaml singleshot

# CommonAdapter (SLURM) completed writing Template
