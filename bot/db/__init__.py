"""Tables, column types, engine and migrations; reached through services only."""
