"""Files to values and back; every untrusted byte is checked here."""
