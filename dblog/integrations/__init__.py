"""Joints with what a service uses already: each module needs its own library, and nothing here is loaded unasked.

What is measured or logged on the way of a request never harms it: an error in here is told once on stderr
(``dblog.diagnostics``), and the request goes on as if nothing were there.
"""
