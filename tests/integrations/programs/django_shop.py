"""Django in one file, without a middleware of Django's for it; ``app`` for WSGI, ``asgi`` for ASGI."""

from __future__ import annotations

from typing import Any

import django
import shop_logs  # type: ignore[import-not-found]  # beside it: the server is told to look here
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

from dblog.integrations.asgi import TrackingMiddleware as AsgiTracking
from dblog.integrations.wsgi import TrackingMiddleware

shop_logs.configure()


def order(_request: Any, number: int) -> HttpResponse:
    """An order."""
    return HttpResponse(shop_logs.order(number))


def boom(_request: Any, name: str) -> HttpResponse:
    """An error."""
    raise ValueError(name)


urlpatterns = [path("orders/<int:number>", order), path("boom/<name>", boom)]
settings.configure(
    ROOT_URLCONF="django_shop", ALLOWED_HOSTS=["*"], SECRET_KEY="none", DEBUG=False, LOGGING_CONFIG=None, USE_TZ=True
)
django.setup()
app = TrackingMiddleware(get_wsgi_application())
asgi = AsgiTracking(get_asgi_application())
