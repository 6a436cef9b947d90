"""Commands that call whole stages, one after the other."""
