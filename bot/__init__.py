"""The running service of 心晴: channels, pipeline, services, pages and the command line."""

__version__ = "0.1.0"
