"""The files of ``examples/observability`` are what their programs read, and fit together and to what dblog gives."""

from __future__ import annotations

import functools
import json
import logging
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import hcl2
import jsonschema
import promql_parser as promql
import pytest
import sqlalchemy as sa
import yaml

from dblog import schema
from dblog.integrations.jsonlines import JsonFormatter
from dblog.integrations.prometheus import AppMetrics
from dblog.metric_specs import METRICS
from dblog.options import Options
from tests.examples.observability_schemas import SCHEMAS

FOLDER = Path(__file__).parents[2] / "examples" / "observability"
FILES = sorted(
    path.relative_to(FOLDER).as_posix()
    for path in FOLDER.rglob("*")
    if path.suffix in {".yml", ".yaml", ".json", ".tf"}
)
COMPOSE = ("compose.yml", "compose.cloud.yml")
TERRAFORM = [name for name in FILES if name.endswith(".tf")]
OF_TARGETS = {"service", "environment", "project"}
"""Labels Prometheus gives a series by where it was scraped."""


def load(name: str) -> Any:
    text = (FOLDER / name).read_text()
    if name.endswith(".tf"):
        return hcl2.loads(text)
    return json.loads(text) if name.endswith(".json") else yaml.safe_load(text)


def variables(text: str) -> set[str]:
    """The variables a compose file, or what it mounts, takes from its environment."""
    return set(re.findall(r"\$\{?(?:env:)?([A-Z][A-Z_0-9]+)", text))


def test_each_file_has_a_check() -> None:
    """No file of these kinds is there that nothing below reads."""
    assert set(FILES) == {*SCHEMAS, *COMPOSE, *TERRAFORM}


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema(name: str) -> None:
    """Each file can be parsed, and has the shape its program asks for."""
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    jsonschema.validate(load(name), SCHEMAS[name])


def test_compose_files() -> None:
    """They are valid by the published schema; what they mount is there; the first can stand alone."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    checked = subprocess.run(
        [*command, *(FOLDER / name for name in COMPOSE)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout
    services = load("compose.yml")["services"]
    for name in COMPOSE:
        for service, given in load(name)["services"].items():
            assert service in services
            assert set(given.get("depends_on", ())) <= set(services)
            for volume in given.get("volumes", ()):
                source = volume.partition(":")[0]
                named = source in load("compose.yml")["volumes"] or source.startswith("/var/run/")
                assert named or (FOLDER / source).exists(), volume


def test_what_is_mounted_is_given_its_variables() -> None:
    """Whatever a mounted file takes from the environment, its service has; and the example of .env names each."""
    offered = set(re.findall(r"^([A-Z_]+)=", (FOLDER / "env.example").read_text(), re.MULTILINE))
    environments: dict[str, set[str]] = {}
    for name in COMPOSE:
        for service, given in load(name)["services"].items():
            environment = environments.setdefault(service, set())
            environment |= set(given.get("environment", ()))
            assert variables(json.dumps(given.get("environment", {}))) <= offered
            for volume in given.get("volumes", ()):
                source = FOLDER / volume.partition(":")[0]
                mounted = [source] if source.is_file() else [*source.rglob("*.yml")] if source.is_dir() else []
                for path in mounted:
                    assert variables(path.read_text()) <= environment, path.name


@pytest.mark.parametrize("names", [["otel-collector.yml"], ["otel-collector.yml", "otel-collector.cloud.yml"]])
def test_the_collector_knows_its_components(names: list[str]) -> None:
    """Every pipeline is of components that are set up, and every one that is set up is used."""
    whole: dict[str, Any] = {}
    for name in names:
        whole = _merged(whole, load(name))
    used: dict[str, set[str]] = {"extensions": set(whole["service"]["extensions"])}
    for pipeline in whole["service"]["pipelines"].values():
        for kind, components in pipeline.items():
            used.setdefault(kind, set()).update(components)
        assert pipeline["processors"][0] == "memory_limiter"
    authenticators = {each.get("auth", {}).get("authenticator") for each in whole["exporters"].values()} - {None}
    assert authenticators <= used["extensions"]
    assert used == {kind: set(whole[kind]) for kind in used}


def _merged(below: Any, above: Any) -> Any:
    """As the collector merges files: maps by key, everything else replaced."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return {**below, **{key: _merged(below.get(key), value) for key, value in above.items()}}


@functools.cache
def series() -> dict[str, set[str]]:
    """Every series there is, by name, with its labels: of a page on which each metric has been used."""
    known = {f"dblog_{name}": (spec.kind, {*spec.labels}) for name, spec in METRICS.items()}
    metrics, engine = AppMetrics(writer=False), sa.create_engine("sqlite://")
    metrics.watch(engine)
    metrics.http.started("GET")
    metrics.http.finished("GET", "/", 200, 0.1, 1, 1)
    with engine.connect() as connection:
        connection.execute(sa.select(1))
    for metric in metrics.registry.collect():
        name = f"{metric.name}_total" if metric.type == "counter" else metric.name
        known[name] = metric.type, {label for sample in metric.samples for label in sample.labels} - {"le"}
    metrics.close()
    engine.dispose()
    every: dict[str, set[str]] = {}
    for name, (kind, labels) in known.items():
        every[name] = labels | OF_TARGETS
        if kind == "histogram":
            every |= {f"{name}_{part}": every[name] for part in ("count", "sum")}
            every[f"{name}_bucket"] = every[name] | {"le"}
    return every


def recorded() -> dict[str, set[str]]:
    """Series that rules record: their labels are not looked at."""
    rules = [rule for group in load("rules/dblog.yml")["groups"] for rule in group["rules"]]
    return {rule["record"]: {*OF_TARGETS, "handler"} for rule in rules if "record" in rule}


def expressions() -> list[tuple[str, str]]:
    """Every PromQL expression, with where it stands."""
    found = [
        (rule.get("alert") or rule["record"], rule["expr"])
        for group in load("rules/dblog.yml")["groups"]
        for rule in group["rules"]
    ]
    targets = [
        (panel["title"], target)
        for panel in load("grafana/dashboards/services.json")["panels"]
        for target in panel["targets"]
    ]
    return found + [
        (title, each["expr"].replace("$__rate_interval", "5m")) for title, each in targets if "expr" in each
    ]


@pytest.mark.parametrize(("where", "expression"), expressions())
def test_expressions_are_about_metrics_that_exist(where: str, expression: str) -> None:
    """Each is PromQL, and selects and groups by metrics and labels that are on dblog's page."""
    known = series() | recorded()
    selectors, grouped = [], set()

    def visit(node: Any) -> None:
        if isinstance(node, promql.MatrixSelector):
            selectors.append(node.vector_selector)
        elif isinstance(node, promql.VectorSelector):
            selectors.append(node)
        elif isinstance(node, promql.AggregateExpr) and node.modifier is not None:
            grouped.update(node.modifier.labels)

    promql.walk(promql.parse(expression), visit)
    assert selectors
    for selector in selectors:
        assert {matcher.name for matcher in selector.matchers.matchers} <= known[str(selector.name)]
        assert grouped <= known[str(selector.name)]


def test_panels_ask_sources_that_are_provisioned() -> None:
    """Each panel's source is there under that name; panels lie beside one another; the SQL names columns there are."""
    sources = {
        each["uid"]: each["type"] for each in load("grafana/provisioning/datasources/datasources.yml")["datasources"]
    }
    board = load("grafana/dashboards/services.json")
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        for target in panel["targets"]:
            assert sources[target["datasource"]["uid"]] == target["datasource"]["type"]
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken
        assert max(x for x, _ in cells) < 24
        taken |= cells
    columns = {column.name for column in schema.metadata_for("postgresql").tables["logs"].columns}
    (sql,) = (target["rawSql"] for panel in board["panels"] for target in panel["targets"] if "rawSql" in target)
    asked = set(re.findall(r"\b[a-z_]+\b", sql)) - {"time"}
    assert asked <= columns | {"logs"}


def test_terraform_is_whole() -> None:
    """Every variable and resource that is used is declared, every file is there, every secret is marked as one."""
    text = "".join((FOLDER / name).read_text() for name in TERRAFORM)
    declared: dict[str, Any] = {}
    resources = set()
    for name in TERRAFORM:
        whole = load(name)
        for block in whole.get("variable", ()):
            declared |= {key.strip('"'): value for key, value in block.items()}
        for block in whole.get("resource", ()):
            resources |= {
                f"{kind}.{key}".replace('"', "") for kind, named in block.items() for key in named if key[:2] != "__"
            }
    used = set(re.findall(r"\bvar\.(\w+)", text))
    assert used == set(declared)
    assert set(re.findall(r"\b(aws_\w+\.\w+)\.", text)) <= resources
    for path in re.findall(r'file\("\$\{path\.module\}/([^"]+)"\)', text):
        assert (FOLDER / "terraform" / path).is_file()
    assert declared["grafana_cloud_api_key"]["sensitive"] is True
    collector = "".join(load_text(name) for name in ("otel-collector.yml", "otel-collector.cloud.yml"))
    assert variables(collector) <= set(re.findall(r'name = "([A-Z_]+)"', text))


def load_text(name: str) -> str:
    return (FOLDER / name).read_text()


def test_probes_are_paths_of_the_health_application() -> None:
    """Each probe asks for what its name says; the pod is given time to store what waits."""
    pod = load("kubernetes.yml")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    probes = {name: given["httpGet"]["path"] for name, given in container.items() if name.endswith("Probe")}
    assert probes == {
        "startupProbe": "/health/startup",
        "livenessProbe": "/health/live",
        "readinessProbe": "/health/ready",
    }
    assert pod["terminationGracePeriodSeconds"] > Options.of().shutdown_timeout


def test_what_is_on_disk_outlives_the_container() -> None:
    """The spool lies in a volume with room for it, below the mount, which has a mode of its own."""
    pod = load("kubernetes.yml")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (mount,) = container["volumeMounts"]
    (volume,) = pod["volumes"]
    (folder,) = [each["value"] for each in container["env"] if each["name"] == "DBLOG_SPOOL_DIR"]
    assert Path(folder).parent == Path(mount["mountPath"])
    assert mount["name"] == volume["name"]
    assert int(volume["emptyDir"]["sizeLimit"].removesuffix("Gi")) << 30 > Options.of().spool_bytes


def test_prometheus_reads_the_rules_that_are_mounted() -> None:
    """The pattern of rule files meets the rules, and not their tests; every series has its environment."""
    config = load("prometheus.yml")
    (pattern,) = config["rule_files"]
    assert [path.name for path in FOLDER.glob(pattern)] == ["dblog.yml"]
    assert {"environment", "project"} <= set(config["global"]["external_labels"])


def test_promtail_reads_what_the_formatter_writes() -> None:
    """Each name its stage takes out of a line is one that JsonFormatter writes."""
    record = logging.makeLogRecord(
        {"msg": "x", "levelname": "INFO", "levelno": 20, "trace_id": "a" * 32, "span_id": "b" * 16}
    )
    line = json.loads(JsonFormatter(service="api").format(record))
    (scrape,) = load("promtail.yml")["scrape_configs"]
    (expressions,) = (stage["json"]["expressions"] for stage in scrape["pipeline_stages"] if "json" in stage)
    assert set(expressions.values()) <= set(line)
    taken = [stage for stage in scrape["pipeline_stages"] if "json" not in stage]
    for stage in taken:
        ((kind, names),) = stage.items()
        assert set(names if kind != "timestamp" else {names["source"]}) <= set(expressions)
