"""Rule files of other mail scanners, translated into ours. One module per program:

- `simscan`: simcontrol and ssattach
- `qmail_scanner`: quarantine-events.txt and quarantine-attachments.txt; `qmail_scanner_virtual`:
  the virtual headers in them; `qmail_scanner_settings`: what ./configure put into the script
- `mailscanner`: filename.rules.conf and filetype.rules.conf

Around them: `detect` (which of these a file is), `sources` (its lines), `perl` (its patterns),
`words` (what a pattern can match), `findings` (what comes of it), `rules_toml` (the text),
`proof` (that it is a policy).
"""
