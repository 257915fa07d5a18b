"""The CTI contract: typed commands in, typed events out, one `AgentSession` an agent. No I/O.

Reading order: commands, events, errors (the vocabulary), codec (its JSON), dialog, dialect and numbering (what a call
is told to be), call (one call and its table), outcomes and tasks (one result for each command, in turn), workplace
(what the parts share), outbound, inbound, holding, digits, ending, transferring, consulting (what commands do), words
and asking (what the server is asked for and says), conferencing, monitoring, converting, variables (what that is for),
hearing (to whom each word goes), controller (who gets what), presence (there or not), stream (numbers), recovery and
recovering (the way back from a lost connection), records (agents as values), agent (all of it together); efcx and
dialects (the other way to say it).
"""
