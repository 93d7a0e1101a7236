"""Flask, as its documentation has middleware."""

from __future__ import annotations

import shop_logs  # type: ignore[import-not-found]  # beside it: the server is told to look here
from flask import Flask

from dblog.integrations.wsgi import TrackingMiddleware

shop_logs.configure()
app = Flask("flask_shop")
app.wsgi_app = TrackingMiddleware(app.wsgi_app)  # type: ignore[method-assign]  # Flask's documented way


@app.post("/orders/<int:number>")
def order(number: int) -> str:
    """An order."""
    return str(shop_logs.order(number))


@app.get("/boom/<name>")
def boom(name: str) -> str:
    """An error."""
    raise ValueError(name)


@app.get("/hang")
def hang() -> str:
    """No answer."""
    shop_logs.hang()
    return "late"
