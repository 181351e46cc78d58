"""A judge and its cassette: every prompt, reply, model, price and date on one line each."""
