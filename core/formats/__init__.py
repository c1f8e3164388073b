"""Formats of numbers and dates where we differ from Django's."""
