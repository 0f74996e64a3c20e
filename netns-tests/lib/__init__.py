"""Hosts in network namespaces, a switch between them, real daemons on them, and a capture on the switch.

topology   namespaces, links, addresses          faults    what can go wrong with the cables and the switch
capture    what was on the wire, time-stamped    frames    VRRP, ARP and ND frames: read and written
daemons    batond, keepalived, FRR's vrrpd       watch     who held which address when; what a client saw
"""
