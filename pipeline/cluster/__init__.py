"""A Ray cluster as its user sees it: cluster.yaml, jobs and their logs."""
