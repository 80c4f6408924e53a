"""The platforms' side, for tests, drills and the simulator page: fake servers and a driver."""
