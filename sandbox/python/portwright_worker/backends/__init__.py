"""What executes an artefact or a module in this process: one file per backend, each with `execute(job, work)`."""
