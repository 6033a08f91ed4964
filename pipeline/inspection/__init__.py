"""Looking into files and stores: audit, preview, status."""
