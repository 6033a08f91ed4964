"""Networks with named taps."""
