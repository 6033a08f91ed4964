"""Videos in, training-ready shards of RGB, optical flow and motion vectors out."""
