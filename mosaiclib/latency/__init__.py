"""How long an exported network takes, and proof of what ran it."""
