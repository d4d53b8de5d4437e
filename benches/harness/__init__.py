"""The harness: what a workload is, how a sample is taken, how rounds run and how they are reported."""
