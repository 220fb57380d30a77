"""The protocol of a rival written in Python; protocol.h says what the requests mean. Beyond those:

    train MODEL BATCH SECONDS  ->  ok SECONDS_PER_STEP LOSS

one step of training (forward, backward, SGD with momentum 0.9) of a model of MODELS in jax_peer.py, which is the definition.
"""
import sys
import time

import numpy as np


def fill(shape, seed):
    n = int(np.prod(shape))
    i = np.arange(n, dtype=np.uint32) + np.uint32(seed * 977)
    return ((i * np.uint32(2654435761)) >> np.uint32(8)).astype(np.float32).reshape(shape) / np.float32(16777216) - np.float32(0.5)


def mean_abs(y):
    return float(np.abs(np.asarray(y, dtype=np.float64)).mean()) if np.size(y) else 0.0


def measure(call, budget):
    """Median time of one call, in up to 64 bursts over about budget seconds."""
    call()
    t = time.perf_counter()
    call()
    once = time.perf_counter() - t
    burst = max(1, int(budget / 16 / (once + 1e-9)))
    times, start = [], time.perf_counter()
    while len(times) < 64 and (len(times) < 3 or time.perf_counter() - start < budget):
        t = time.perf_counter()
        for _ in range(burst):
            call()
        times.append((time.perf_counter() - t) / burst)
    return sorted(times)[len(times) // 2]


def serve(name, handlers):
    """Answers requests until standard input ends. A handler returns (seconds, checksum) or raises NotImplementedError."""
    print("ready", name, flush=True)
    for line in sys.stdin:
        verb, *args = line.split()
        try:
            secs, check = handlers[verb](*args)
            print(f"ok {secs:.9g} {check:.9g}", flush=True)
        except KeyError:
            print("no: only", " ".join(handlers), flush=True)
        except NotImplementedError as e:
            print("no:", e, flush=True)
