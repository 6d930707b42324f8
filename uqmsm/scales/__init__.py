"""The same scales again, now with their doubt: one operator per scale."""
