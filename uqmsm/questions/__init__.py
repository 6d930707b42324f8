"""What a study may ask; the first line of each file is the question."""
