"""What every other room uses: batches of spaces, names, files."""
