"""The journal of `offhook serve --journal PATH`: what must outlive the process, in one SQLite file.

It knows no agent and no call: what it keeps are octets under an extension's name, and all of them are encrypted.
docs/how-to/journal.md tells what it promises.
"""
