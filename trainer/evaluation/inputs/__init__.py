"""What comes in: annotation files as their authors publish them, media folders, predictions."""
