"""Plans and the engine that runs them."""
