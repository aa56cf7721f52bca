"""Where the runs of a study are made: processes of this machine, jobs of Slurm, or a cluster of Ray."""
