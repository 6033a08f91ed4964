"""Grey frame pairs -> TV-L1 optical flow."""
