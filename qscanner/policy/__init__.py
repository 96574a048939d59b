"""Rules in force: what admins write in policies/*.toml, and what becomes of a message by it.

    read.load(folder)                    the rules, or all that is wrong with them
    warn.warnings(policy)                what is not wrong, but hardly meant
    decide.decide(policy, facts, …)      findings and failures -> verdict
    decide.meets(rule, evidence, …)      one rule alone, for `policy explain`; every condition has
                                         holds() and because()
    routing.raw(envelope, verdict)       the envelope as it goes on

The modules, each importing only from those above it:

    addresses names networks lists       sets of patterns, and the files that list them
    mailboxes evidence                   one message, prepared for questions
    conditions circumstances headers bodies parts marks    one class per kind of question
    trials rules                         tests, and Rule, Detector and Policy: the values
    index                                which of a thousand rules may meet a message at all
    tables shelf scopes questions trial_tables
    sentence read                        TOML -> rules, with every mistake at its place
    known_findings never shadows warn    what is not wrong, but hardly meant
    reach together decide routing        rules in use
    explain                              why each rule met, or did not
"""
