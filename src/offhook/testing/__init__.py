"""What users of Offhook import in their own tests: virtual time, a lossy network, a scripted peer, contract classes.

Each lives in a file of its own: `clock`, `network`, `pair`, `script`, `desk`, `record`, `contracts`.
"""
