"""JSON schemas of the files in ``examples/observability``: what their programs' documentation asks for, as far as used.

compose files have a published schema, and are checked by it. The others have none that can be installed.
"""

from __future__ import annotations

from typing import Any

__all__ = ["SCHEMAS"]


def _object(
    properties: dict[str, Any], required: tuple[str, ...] = (), *, more: bool | dict[str, Any] = False
) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": more}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1}


ANY: dict[str, Any] = {}
TEXT = {"type": "string", "minLength": 1}
NAMES = _list(TEXT)
WHOLE = {"type": "integer", "minimum": 0}
YES_NO = {"type": "boolean"}
DURATION = {"type": "string", "pattern": r"^(\d+(ms|[smhdwy]))+$"}
LABELS = _object({}, more=TEXT)
MAP = _object({}, more=True)
PROBE = _object(
    {
        "httpGet": _object({"path": TEXT, "port": WHOLE}, ("path", "port")),
        **dict.fromkeys(("initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold"), WHOLE),
    },
    ("httpGet",),
)
COMPONENTS = _object({}, more={"type": ["object", "null"]})

COLLECTOR = _object(
    {
        "receivers": COMPONENTS,
        "processors": COMPONENTS,
        "exporters": COMPONENTS,
        "extensions": COMPONENTS,
        "service": _object(
            {
                "extensions": NAMES,
                "pipelines": _object(
                    dict.fromkeys(
                        ("traces", "metrics", "logs"),
                        _object(
                            {"receivers": NAMES, "processors": NAMES, "exporters": NAMES}, ("receivers", "exporters")
                        ),
                    )
                ),
            },
            ("pipelines",),
        ),
    },
    ("exporters", "service"),
)
PROMETHEUS = _object(
    {
        "global": _object(
            {"scrape_interval": DURATION, "evaluation_interval": DURATION, "external_labels": LABELS},
        ),
        "rule_files": NAMES,
        "scrape_configs": _list(
            _object(
                {
                    "job_name": TEXT,
                    "honor_labels": YES_NO,
                    "static_configs": _list(_object({"targets": NAMES, "labels": LABELS}, ("targets",))),
                },
                ("job_name",),
            )
        ),
    },
    ("scrape_configs",),
)
RULE = {
    "oneOf": [
        _object({"record": {"type": "string", "pattern": "^[a-z_:0-9]+$"}, "expr": TEXT}, ("record", "expr")),
        _object(
            {"alert": TEXT, "expr": TEXT, "for": DURATION, "labels": LABELS, "annotations": LABELS},
            ("alert", "expr", "labels", "annotations"),
        ),
    ]
}
RULES = _object({"groups": _list(_object({"name": TEXT, "rules": _list(RULE)}, ("name", "rules")))}, ("groups",))
RULE_TESTS = _object(
    {
        "rule_files": NAMES,
        "evaluation_interval": DURATION,
        "tests": _list(
            _object(
                {
                    "name": TEXT,
                    "interval": DURATION,
                    "input_series": _list(
                        _object({"series": TEXT, "values": {"type": "string"}}, ("series", "values"))
                    ),
                    "alert_rule_test": _list(
                        _object(
                            {"eval_time": DURATION, "alertname": TEXT, "exp_alerts": _list(MAP)},
                            ("eval_time", "alertname"),
                        )
                    ),
                    "promql_expr_test": _list(MAP),
                },
                ("interval", "input_series"),
            )
        ),
    },
    ("rule_files", "tests"),
)
LOKI = _object(
    {
        "auth_enabled": YES_NO,
        "server": MAP,
        "common": MAP,
        "schema_config": _object(
            {
                "configs": _list(
                    _object(
                        {
                            "from": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
                            "store": {"const": "tsdb"},
                            "object_store": TEXT,
                            "schema": {"const": "v13"},
                            "index": _object({"prefix": TEXT, "period": {"const": "24h"}}, ("prefix", "period")),
                        },
                        ("from", "store", "object_store", "schema", "index"),
                    )
                )
            },
            ("configs",),
        ),
        "limits_config": _object(
            {"retention_period": DURATION, "allow_structured_metadata": {"const": True}}, ("retention_period",)
        ),
        "compactor": _object(
            {"working_directory": TEXT, "retention_enabled": YES_NO, "delete_request_store": TEXT},
            ("delete_request_store",),  # asked for once retention is enabled
        ),
    },
    ("schema_config",),
)
STAGE = {
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "propertyNames": {"enum": ["json", "timestamp", "labels", "structured_metadata", "output"]},
}
PROMTAIL = _object(
    {
        "server": MAP,
        "positions": _object({"filename": TEXT}, ("filename",)),
        "clients": _list(_object({"url": TEXT, "external_labels": LABELS}, ("url",))),
        "scrape_configs": _list(
            _object(
                {
                    "job_name": TEXT,
                    "docker_sd_configs": _list(_object({"host": TEXT, "refresh_interval": DURATION}, ("host",))),
                    "relabel_configs": _list(
                        _object({"source_labels": NAMES, "target_label": TEXT}, ("source_labels", "target_label"))
                    ),
                    "pipeline_stages": _list(STAGE),
                },
                ("job_name",),
            )
        ),
    },
    ("clients", "scrape_configs"),
)
DATASOURCES = _object(
    {
        "apiVersion": {"const": 1},
        "datasources": _list(
            _object(
                {
                    **dict.fromkeys(("name", "uid", "url", "user"), TEXT),
                    "type": {"enum": ["prometheus", "jaeger", "loki", "grafana-postgresql-datasource"]},
                    "access": {"const": "proxy"},
                    "isDefault": YES_NO,
                    "jsonData": MAP,
                    "secureJsonData": MAP,
                },
                ("name", "uid", "type", "access", "url"),
            )
        ),
    },
    ("apiVersion", "datasources"),
)
DASHBOARD_PROVIDERS = _object(
    {
        "apiVersion": {"const": 1},
        "providers": _list(
            _object(
                {
                    "name": TEXT,
                    "type": {"const": "file"},
                    "folder": TEXT,
                    "disableDeletion": YES_NO,
                    "options": _object({"path": TEXT}, ("path",)),
                },
                ("name", "type", "options"),
            )
        ),
    },
    ("apiVersion", "providers"),
)
SOURCE = _object({"type": TEXT, "uid": TEXT}, ("type", "uid"))
PANEL = _object(
    {
        "id": WHOLE,
        "title": TEXT,
        "type": {"enum": ["timeseries", "stat", "table", "logs"]},
        "description": {"type": "string"},
        "datasource": SOURCE,
        "targets": _list(
            {
                "anyOf": [
                    _object({"refId": TEXT, "datasource": SOURCE, "expr": TEXT}, ("refId", "expr"), more=True),
                    _object({"refId": TEXT, "datasource": SOURCE, "rawSql": TEXT}, ("refId", "rawSql"), more=True),
                ]
            }
        ),
        "fieldConfig": _object({"defaults": MAP, "overrides": {"type": "array"}}, ("defaults", "overrides")),
        "options": MAP,
        "gridPos": _object(
            {"h": WHOLE, "w": {"type": "integer", "minimum": 1, "maximum": 24}, "x": WHOLE, "y": WHOLE},
            ("h", "w", "x", "y"),
        ),
    },
    ("id", "title", "type", "datasource", "targets", "gridPos"),
)
DASHBOARD = _object(
    {
        "uid": {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,40}$"},
        "title": TEXT,
        "schemaVersion": WHOLE,
        "panels": _list(PANEL),
        "templating": _object({"list": {"type": "array", "items": MAP}}, ("list",)),
        "time": _object({"from": TEXT, "to": TEXT}, ("from", "to")),
    },
    ("uid", "title", "schemaVersion", "panels"),
    more=True,
)
CONTAINER = _object(
    {
        "name": TEXT,
        "image": TEXT,
        "ports": _list(MAP),
        "env": _list(
            {
                "oneOf": [
                    _object({"name": TEXT, "value": TEXT}, ("name", "value")),
                    _object({"name": TEXT, "valueFrom": MAP}, ("name", "valueFrom")),
                ]
            }
        ),
        "volumeMounts": _list(_object({"name": TEXT, "mountPath": TEXT}, ("name", "mountPath"))),
        **dict.fromkeys(("startupProbe", "livenessProbe", "readinessProbe"), PROBE),
    },
    ("name", "image"),
)
VOLUME = _object({"name": TEXT, "emptyDir": _object({"sizeLimit": TEXT})}, ("name", "emptyDir"))
KUBERNETES = _object(
    {
        "apiVersion": {"const": "apps/v1"},
        "kind": {"const": "Deployment"},
        "metadata": _object({"name": TEXT, "labels": LABELS}, ("name",)),
        "spec": _object(
            {
                "replicas": WHOLE,
                "selector": _object({"matchLabels": LABELS}, ("matchLabels",)),
                "template": _object(
                    {
                        "metadata": _object({"labels": LABELS, "annotations": LABELS}, ("labels",)),
                        "spec": _object(
                            {
                                "terminationGracePeriodSeconds": WHOLE,
                                "containers": _list(CONTAINER),
                                "volumes": _list(VOLUME),
                            },
                            ("containers",),
                        ),
                    },
                    ("metadata", "spec"),
                ),
            },
            ("selector", "template"),
        ),
    },
    ("apiVersion", "kind", "metadata", "spec"),
)

SCHEMAS: dict[str, dict[str, Any]] = {
    "otel-collector.yml": COLLECTOR,
    "otel-collector.cloud.yml": COLLECTOR,
    "prometheus.yml": PROMETHEUS,
    "rules/dblog.yml": RULES,
    "rules/dblog.test.yaml": RULE_TESTS,
    "loki.yml": LOKI,
    "promtail.yml": PROMTAIL,
    "grafana/provisioning/datasources/datasources.yml": DATASOURCES,
    "grafana/provisioning/dashboards/dashboards.yml": DASHBOARD_PROVIDERS,
    "grafana/dashboards/services.json": DASHBOARD,
    "kubernetes.yml": KUBERNETES,
}
"""By path inside ``examples/observability``."""
