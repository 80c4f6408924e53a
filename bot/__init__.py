"""The running service of 心晴: channels, pipeline, services, pages and the command line."""

import os

__version__ = "0.1.0"

# Before anything imports numpy: requests run side by side, and a product of a few hundred numbers
# that is spread over threads by the algebra library took 2.8 ms instead of 0.1 ms.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
