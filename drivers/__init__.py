"""Device drivers, one folder per family. Empty until the device issue: the simulation is the only back end so far."""
