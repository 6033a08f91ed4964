"""Settings that no paper is about, and those about which all are silent alike.

A paper's own statements come before these.
"""

from .statement import Statement, free, silent

ONE_CYCLE = "has a part in the schedule one_cycle only, which no paper takes"

EVERYWHERE: tuple[Statement, ...] = (
    free("validate_every", why="how often the held-out part is evaluated: a cost"),
    free("gradients_at", why="a record of gradients; moves no weight"),
    free("optim.accumulate", why="a batch in parts, for memory: the same gradient"),
    free("optim.warm_up", why=ONE_CYCLE),
    free("clip.fill", why="replaces unknown motion vectors, which are not read here"),
    free("*.frames", why="entries that a 2D network stacks: those of the clip"),
    free("*.lrn_k", why="of ClarifaiNet's response norm, which is not in this network"),
    free("*.first_layer", why="adapts given first weights, and there are none"),
    free("*.stored_px", why="follows from the store"),
    free("*.adapter", why="features to compare have one shape: none is needed"),
    free("attention.*", why="has a part in fusion by attention only"),
    free("adaptive.*", why="has a part in adaptive fusion only"),
    free("terms.soft.taps", why="it compares logits"),
    silent(
        "optim.decays",
        "weights",
        why="biases, norms and slopes do not decay: decay is there to hold weights small"
        " (torch, Caffe and the papers' programs let norms decay, too)",
    ),
    silent("optim.bias_rate", 1.0, why="biases learn at the rate of the weights"),
    silent("optim.rates", {}, why="all layers learn at one rate"),
    silent("optim.warm_up_steps", 0, why="no warm-up is mentioned"),
    silent(
        "balance", {}, why="weights of losses are fixed: none is found by gradients"
    ),
    silent("clip.jitter", 0.0, why="no change of colours is mentioned"),
    silent(
        "clip.jitter_rescale",
        False,
        why="motion keeps its values when a crop is enlarged, as in the programs of"
        " two-stream and temporal segment networks",
    ),
)
