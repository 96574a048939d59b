"""Octets and text to objects and back: no files, no sockets, no clock, no settings."""
