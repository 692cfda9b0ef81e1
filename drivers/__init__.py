"""Device drivers, one folder per family: configuration, device, emulator."""
