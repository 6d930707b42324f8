"""The machine room: fan-out, run folder, resume."""
