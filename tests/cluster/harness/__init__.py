"""What the cluster tests stand on. Python 3 of the distribution, its Cassandra driver, and nothing else."""
