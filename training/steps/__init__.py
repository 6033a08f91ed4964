"""Training steps: a batch -> its losses. `step.Step` says how to write one."""
