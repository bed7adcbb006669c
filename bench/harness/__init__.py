"""The benchmark: peers, cases, rounds, and what is written about them. Start with experiment.py."""
