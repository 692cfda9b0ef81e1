"""The end-of-arm board on a serial line: suction valve, vacuum pressure, limit switches, lights.

``link`` and ``board`` are the two ends of the protocol as functions of bytes and time; ``device`` puts the first on a
serial port, ``emulator`` the second on a pseudo-terminal. Needs the extra ``serial``.
"""
