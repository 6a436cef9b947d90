"""The border: every foreign file is opened, checked and written here."""
