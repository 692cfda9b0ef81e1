"""EtherCAT: emulated slaves that an independent master brings to OP, frame by frame.

``emulator`` puts a line of CiA 402 drives on a network interface and lets it go wrong on command. Without a socket the
same line is ``Network.process``: an Ethernet frame goes in, what comes back goes out.
"""
