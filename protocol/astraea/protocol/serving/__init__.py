"""What the commands have in common that listen on a socket: the edge server's and the broker's.

listening    a port is taken
certificate  TLS by files, which may be renewed
logs         the log of the process, for people or for machines
"""
