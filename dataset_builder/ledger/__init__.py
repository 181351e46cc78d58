"""Where everything ended, and what must never come back."""
