"""Screens: they ask the source, hand values to widgets, and do what the widgets' messages ask for."""
