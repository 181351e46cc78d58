"""What a command does whole: build, hydrate, estimate, salicon."""
