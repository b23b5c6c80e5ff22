"""Serves the local model on an address of this machine, until its standard input ends.

The process that started it holds the other end of the standard input: however that one dies, this one ends too.
"""

import os
import sys

import xllamacpp

path, alias, context, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
params = xllamacpp.CommonParams()
params.model.path = path
params.model_alias = {alias}
params.port = 0
params.n_ctx = context
params.n_parallel = 1
params.use_jinja = True
params.cpuparams.n_threads = threads
params.cpuparams_batch.n_threads = threads
params.offline = True
params.cache_ram_mib = 256
server = xllamacpp.Server(params)
print("READY", server.listening_address, flush=True)
sys.stdin.buffer.read()
# The server's threads are not waited for.
os._exit(0)
