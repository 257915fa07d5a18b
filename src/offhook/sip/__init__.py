"""The Session Initiation Protocol without I/O: RFC 3261 and friends. Octets, timers and chance come in as arguments."""
