"""Force/torque sensors: ATI Net F/T and Ethernet Axia over UDP (RDT), Bota Systems over a serial line.

``links`` are the host's ends of both protocols as functions of bytes and time, over ``wrench``, which judges validity
by the sensor's own period. ``net_ft`` and ``bota`` read without blocking, once per cycle. ``emulated`` and ``line`` are
the sensors and their line with faults, ``emulator`` puts them on UDP and on a pseudo-terminal. Only ``bota`` needs the
extra ``serial``.
"""
