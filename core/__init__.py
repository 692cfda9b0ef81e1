"""Values, frames, units, errors, clock, station schema and device ports. No I/O, no kernel.

Everything else in podhand meets here: drivers, the simulation and the controllers know each other only through the
ports of this package.
"""
