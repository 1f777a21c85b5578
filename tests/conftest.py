"""Settings of every test run."""

import os

# Before torch is imported: sums over several threads round differently, and agents
# that learn for a few seconds amplify that into another policy.
os.environ["OMP_NUM_THREADS"] = "1"
