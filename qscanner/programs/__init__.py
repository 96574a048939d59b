"""Everything that has a main(). Nothing imports from here."""
