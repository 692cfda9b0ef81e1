"""Python face of the kernel: segments, conditions, hosts, sessions, recorder."""
