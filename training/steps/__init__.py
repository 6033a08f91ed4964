"""What happens to a batch: the only thing in which trainings differ.

A step gives its losses by name, unweighted (`losses`), and their weighted sum
(`forward`). `beside` holds networks that it asks and that do not learn: they are in no
optimizer, no checkpoint and no list of parameters.
"""
