"""The loop of a model of one's own, as a file that needs nothing of ours."""
