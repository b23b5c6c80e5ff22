"""The Python side of Portwright's sandbox: a server that forks one caged process per job.

Rust decides; this package does only what Python alone can: read a library's classes, instantiate, run, export. It
speaks JSON lines on its standard streams, in the version below. What a job answers is a measurement or a file, never
a verdict.
"""

PROTOCOL = 1
