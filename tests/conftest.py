"""Environment of every test: offline, quiet, and fair to other processes on the machine."""

import os

# Set before anything imports torch. Waiting threads sleep instead of spinning: on a busy two-core
# machine the same generation took 26 s spinning and 2 s sleeping.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
