"""The quarantine as a store: what is held, for whom, and what became of it."""
