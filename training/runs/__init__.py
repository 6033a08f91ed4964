"""Everything each experiment needs to train: context, configuration, training, record."""
