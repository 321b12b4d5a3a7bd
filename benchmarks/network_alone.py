"""A child of `peers` and `scaling`: one network in a process of its own, called when asked to.

python benchmarks/network_alone.py dmls '{"shape": [1, 512, 512, 3], "num_classes": 19}'

Requests: "call" (a TF graph, float32); "peak" (MiB) and "rise" (of it over the loaded network);
"size" (parameters in M, GFLOPs of a call).
"""

import json
import sys

import numpy as np
import tensorflow as tf

from benchmarks.networks import BUILDERS, gigaflops
from benchmarks.timing import answer, memory_mib

settings = json.loads(sys.argv[2])
shape = settings["shape"]
model, call = BUILDERS[sys.argv[1]](**settings)
images = np.random.default_rng(0).uniform(0, 255, shape).astype(np.float32)
compiled = tf.function(call)
loaded = memory_mib("VmRSS")
answer(
    {
        "call": lambda: list(compiled(images).numpy().shape),
        "peak": memory_mib,
        "rise": lambda: memory_mib() - loaded,
        "size": lambda: [model.count_params() / 1e6, gigaflops(call, shape)],
    }
)
