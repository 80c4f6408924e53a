"""Values and ports of the service; standard library only, imported by every other layer."""
