"""One whole extraction: plan, publish, retry, estimate, summarize."""
