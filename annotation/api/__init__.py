"""Endpoints of the annotation stage."""
