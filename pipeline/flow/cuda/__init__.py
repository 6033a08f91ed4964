"""Batches of frame pairs -> TV-L1 flow on one NVIDIA GPU. `docs/cuda_backend.md` says why
it is made as it is."""
