"""A folder as users have it -> labelled videos with splits and groups."""
