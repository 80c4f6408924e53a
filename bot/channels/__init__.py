"""Channels: one folder per platform; each translates callbacks and API calls, nothing else."""
