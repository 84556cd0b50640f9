"""The sandbox over HTTP: a service for one machine, and a client that spreads programs over many of them."""
