"""qscanner: the content scanner between SMTP and the qmail queue."""

__version__ = "0.1.0"
