"""Files that start a run on a cluster: a Slurm batch script, or a Kubernetes job."""
