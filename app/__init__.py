"""The composition root: command line, wiring of a station, reports."""
