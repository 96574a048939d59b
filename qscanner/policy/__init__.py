"""Rules in force: what admins write in policies/*.toml, and what becomes of a message by it.

    read.load(folder)                    the rules, or all that is wrong with them
    warn.warnings(policy)                what is not wrong, but hardly meant
    decide.decide(policy, facts, …)      findings and failures -> verdict
    decide.matches(rule, facts, …)       one rule alone, for `policy explain`

The modules, each importing only from those above it:

    addresses names networks lists       sets of patterns, and the files that list them
    mailboxes evidence                   one message, prepared for questions
    conditions headers parts             one class per kind of question
    rules                                Rule and Policy: the values
    tables shelf questions sentence read     TOML -> rules, with every mistake at its place
    warn reach decide                    rules in use
"""
