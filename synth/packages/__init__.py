"""Interfaces of packages: what names there are, how they are called, and what code gets wrong about them."""
