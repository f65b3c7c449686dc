"""The engine: from a request to a plan, from a plan to a run, from events to documents."""
