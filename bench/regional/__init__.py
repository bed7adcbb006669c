"""The benchmark of several regions: what bench/regions.py runs. Start with experiment.py."""
