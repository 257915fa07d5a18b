"""What `offhook doctor` does: looks at an installation from where the agents are, and says how to mend what is wrong.

`findings` and `remedies` are what is said, `handset` is a phone that is led step by step, `bench` has those that a run
needs, `plan` is the order of the checks and runs them; each other file is one group of checks.
"""
