"""The way of a message through the service: accept, route, deliver (DESIGN §3)."""
