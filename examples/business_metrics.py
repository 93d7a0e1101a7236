"""The metrics of a platform and of an API: tasks, agents, AI calls, tokens and cost, logins, keys, workflows.

    python examples/business_metrics.py [--page]

Every label is an enumeration, declared once; what else comes is `other`, and counted. Labels without
an end are not labels here: the request (`tracking_id`) is the exemplar of its figure, and leads to its
records; the user and the session are on those records (`dblog.bound`); a key (`api_key_id`) is counted
by the client it was given to, of which there are as many as contracts. With `--page` the whole page
is printed, as OpenMetrics, with the exemplars.
"""

from __future__ import annotations

import argparse
import logging
import random
import tempfile
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest

import dblog
from dblog import migrate
from dblog.integrations.prometheus import AppMetrics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dblog.integrations.http import HttpObserver

logger = logging.getLogger("gateway")

SERVICES = ("api-gateway", "workflow-agent", "workflow-engine")
ENVIRONMENT = ("dev", "staging", "prod")
ENDPOINTS = ("/api/v1/sessions/{id}", "/api/v1/workflows", "/api/v2/workflows/{id}/run")
METHODS = ("GET", "POST", "PUT", "DELETE")
STATUSES = (200, 201, 204, 400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 504)
VERSIONS = ("v1", "v2")
SEGMENTS = ("free", "premium", "enterprise")
CLIENTS = ("acme", "globex", "initech")
ACTIVITIES = ("login", "workflow_started", "workflow_edited", "logout")
WORKFLOWS = ("simple", "complex", "ai-assisted")
ERRORS = ("validation", "business", "system")
MODELS = ("small", "large")
PROVIDERS = ("anthropic", "openai", "bedrock")
POOLS = ("default", "gpu")  # from the configuration: they are known when the service starts
CAPABILITIES, STAGES = ("cmdb_query", "form_fill"), ("intent", "search", "generate", "total")
MILLISECONDS = (10, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000)
REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
RATES = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
PRICE = {"small": 0.25e-6, "large": 3e-6}
FAILED = 500


class Platform:
    """An infrastructure platform's metrics, all named ``iac_…``."""

    def __init__(self, metrics: AppMetrics) -> None:
        counter, histogram, gauge = metrics.counter, metrics.histogram, metrics.gauge
        task = {"type": ("plan", "apply", "destroy"), "status": ("success", "failure", "cancelled")}
        self.tasks = counter("workspace_tasks_total", "Tasks run.", labels=task)
        self.task_seconds = histogram(
            "workspace_task_duration_seconds", "A task.", labels={"type": task["type"]}, buckets=(1, 10, 60, 600, 3600)
        )
        self.drift = counter("workspace_drift_detected_total", "Drifts found.")
        pool = {"pool_id": POOLS}
        self.agents = gauge("agent_connections", "Agents.", labels={**pool, "status": ("idle", "busy")})
        self.dispatched = counter("agent_tasks_dispatched_total", "Tasks given to agents.", labels=pool)
        self.completed = counter(
            "agent_tasks_completed_total", "Tasks agents have done.", labels={**pool, "status": ("success", "failure")}
        )
        stage = {"capability": CAPABILITIES, "stage": STAGES}
        # Milliseconds, because dashboards know these names; what is new is in seconds.
        self.ai_ms = histogram("ai_call_duration_ms", "An AI call.", labels=stage, buckets=MILLISECONDS)
        self.ai_calls = counter("ai_call_total", "AI calls.", labels=stage)
        self.vector_ms = histogram("vector_search_duration_ms", "A vector search.", buckets=MILLISECONDS)
        self.vector_results = counter("vector_search_total", "Results of vector searches.")
        self.parallel = gauge("active_parallel_tasks", "Tasks running at once.")
        self.ai_tokens = counter(
            "ai_tokens_total", "Tokens.", labels={"provider": PROVIDERS, "type": ("input", "output")}
        )
        login = {"status": ("success", "failure"), "method": ("password", "sso", "token")}
        self.logins = counter("auth_logins_total", "Logins tried.", labels=login)
        self.issued = counter(
            "auth_tokens_issued_total", "Tokens issued.", labels={"type": ("access", "refresh", "api")}
        )

    def run_task(self, kind: str, status: str, seconds: float, pool: str) -> None:
        """One task of a workspace, done by an agent."""
        self.dispatched.inc(pool_id=pool)
        with self.parallel.track():
            self.completed.inc(pool_id=pool, status=status)
        self.tasks.inc(type=kind, status=status)
        self.task_seconds.observe(seconds, type=kind)

    def ask_ai(self, capability: str, provider: str, milliseconds: float, tokens: int) -> None:
        """One question to a model, with a search before it."""
        for stage, share in zip(STAGES, (0.1, 0.2, 0.7, 1.0), strict=True):
            self.ai_calls.inc(capability=capability, stage=stage)
            self.ai_ms.observe(milliseconds * share, capability=capability, stage=stage)
        self.vector_ms.observe(milliseconds * 0.2)
        self.vector_results.inc(5)
        self.ai_tokens.inc(tokens, provider=provider, type="input")
        self.ai_tokens.inc(tokens // 4, provider=provider, type="output")


class Api:
    """An API's metrics under the names its dashboards have; also an ``HttpObserver`` for the middleware."""

    def __init__(self, metrics: AppMetrics, service: str, environment: str) -> None:
        self.service, self.environment = service, environment
        place: dict[str, Iterable[object]] = {"service_name": SERVICES, "endpoint": ENDPOINTS}
        request = {**place, "method": METHODS}
        self.requests = metrics.counter(  # the client adds _total to its name
            "request_count", "HTTP requests.", labels={**request, "status_code": STATUSES, "api_version": VERSIONS}
        )
        self.seconds = metrics.histogram(
            "request_duration_seconds", "HTTP requests.", labels=request, buckets=REQUEST_SECONDS
        )
        error = {**request, "error_type": ERRORS, "status_code": STATUSES}
        self.errors = metrics.counter("request_errors_total", "HTTP requests that failed.", labels=error)
        # By service alone: which endpoint it is, is known when the framework has routed it.
        self.active = metrics.gauge("active_requests", "HTTP requests now.", labels={"service_name": SERVICES})
        model = {"model": MODELS, "environment": ENVIRONMENT}
        self.ai_requests = metrics.counter("ai_requests_total", "AI.", labels={**model, "provider": PROVIDERS})
        self.ai_tokens = metrics.counter("ai_tokens_total", "AI.", labels={**model, "token_type": ("input", "output")})
        self.ai_cost = metrics.counter("ai_cost_total", "US dollars.", labels=model)
        key = {**place, "client_name": CLIENTS, "success": (True, False)}
        self.keys = metrics.counter("api_key_usage_total", "Requests by key.", labels=key)
        usage = {**place, "api_version": VERSIONS, "user_segment": SEGMENTS}
        self.usage = metrics.counter("endpoint_usage_total", "Requests by segment.", labels=usage)
        activity = {"service_name": SERVICES, "activity_type": ACTIVITIES}
        self.activity = metrics.counter("user_activity_total", "What users do.", labels=activity)
        self.success = metrics.histogram(
            "workflow_success_rate", "Steps that succeeded, 0 to 1.",
            labels={"workflow_type": WORKFLOWS, "complexity_level": ("low", "medium", "high")}, buckets=RATES,
        )  # fmt: skip

    def started(self, method: str) -> None:  # noqa: ARG002 - the protocol's
        """A request begins."""
        self.active.inc(service_name=self.service)

    def finished(  # noqa: PLR0917 - the protocol's
        self, method: str, route: str, status_code: int, seconds: float, request_bytes: int | None, response_bytes: int
    ) -> None:
        """A request is over."""
        del request_bytes, response_bytes
        place = {"service_name": self.service, "endpoint": route, "method": method}
        self.active.dec(service_name=self.service)
        self.requests.inc(**place, status_code=status_code, api_version=route[5:7])
        self.seconds.observe(seconds, **place)
        if status_code >= FAILED:
            self.errors.inc(**place, status_code=status_code, error_type="system")

    def ask_ai(self, model: str, provider: str, tokens: int) -> None:
        """One question to a model: tokens, and what they cost."""
        where = {"model": model, "environment": self.environment}
        self.ai_requests.inc(**where, provider=provider)
        self.ai_tokens.inc(tokens, **where, token_type="input")  # noqa: S106 - no password
        self.ai_tokens.inc(tokens // 4, **where, token_type="output")  # noqa: S106 - no password
        self.ai_cost.inc(tokens * PRICE[model], **where)


class Caller(NamedTuple):
    """Who asks."""

    user: str
    client: str
    segment: str


def serve(api: Api, http: HttpObserver, platform: Platform, caller: Caller, chance: random.Random) -> str:
    """One request, as the middleware and the application would have it counted; its trace."""
    endpoint, status = chance.choice(ENDPOINTS), chance.choice((200, 200, 200, 500))
    with dblog.bound(user_id=caller.user, session_id=f"s-{chance.randrange(10**9)}"):
        trace_id = dblog.new_trace()
        for observer in (api, http):
            observer.started("POST")
        logger.log(logging.ERROR if status == FAILED else logging.INFO, "%s for %s", endpoint, caller.client)
        platform.ask_ai("cmdb_query", "anthropic", chance.uniform(50, 5000), tokens := chance.randrange(100, 4000))
        api.ask_ai("large", "anthropic", tokens)
        api.keys.inc(service_name=api.service, endpoint=endpoint, client_name=caller.client, success=status != FAILED)
        segment = {"user_segment": caller.segment, "api_version": endpoint[5:7]}
        api.usage.inc(service_name=api.service, endpoint=endpoint, **segment)
        api.activity.inc(service_name=api.service, activity_type="workflow_started")
        api.success.observe(chance.choice((0.5, 0.9, 1.0)), workflow_type="simple", complexity_level="low")
        for observer in (api, http):
            observer.finished("POST", endpoint, status, chance.uniform(0.001, 2), tokens, 512)
    return trace_id


def work(platform: Platform, chance: random.Random) -> None:
    """What the platform does meanwhile."""
    for pool in POOLS:
        platform.agents.set(3, pool_id=pool, status="idle")
    for number in range(20):
        status = "failure" if number % 5 == 0 else "success"
        platform.run_task(chance.choice(("plan", "apply")), status, chance.uniform(1, 900), chance.choice(POOLS))
        platform.logins.inc(status=status, method="sso")
        platform.issued.inc(type="access")
    platform.drift.inc()


def main(*, page: bool) -> None:
    """Some requests and tasks; then what Prometheus reads."""
    registry, chance = CollectorRegistry(), random.Random(17)
    iac, house = AppMetrics("iac", registry), AppMetrics("", registry, writer=False)
    with tempfile.TemporaryDirectory(prefix="dblog-metrics-") as folder:
        url = f"sqlite:///{folder}/logs.db"
        migrate.upgrade(url)
        handler = dblog.DatabaseHandler(url, service="api-gateway")
        logging.basicConfig(level=logging.INFO, handlers=[handler])
        platform, api = Platform(iac), Api(house, "api-gateway", "prod")
        engine = sa.create_engine(f"sqlite:///{folder}/shop.db")
        iac.watch(engine)
        callers = [Caller(f"u-{number}", chance.choice((*CLIENTS, "mallory")), "free") for number in range(50)]
        for caller in callers:
            serve(api, iac.http, platform, caller, chance)
        work(platform, chance)
        with engine.connect() as connection:
            connection.execute(sa.select(sa.literal(1)))
        handler.close()
        text = generate_latest(registry).decode()  # type: ignore[no-untyped-call]  # the client's is not annotated
        if page:
            print(text, end="")
        else:
            print(summary(iac, house, text), behind(f"{folder}/logs.db", text), sep="\n\n")
        engine.dispose()
        house.close()
        iac.close()


def summary(iac: AppMetrics, house: AppMetrics, text: str) -> str:
    """Each metric declared, with its labels; and what was refused."""
    lines = []
    for metrics, namespace in ((iac, "iac_"), (house, "")):
        for name, metric in metrics.declared.items():
            labels = f"{{{', '.join(metric.declared.names)}}}" if metric.declared.names else ""
            lines.append(f"{type(metric).__name__.lower():<10}{namespace}{name}{labels}")
    refused = [line for line in text.splitlines() if line.startswith("label_values_refused_total")]
    return "\n".join([*lines, "", "refused, and counted as `other`:", *refused])


def behind(file: str, text: str) -> str:
    """From a figure to the records behind it: the exemplar is their trace."""
    line = next(line for line in text.splitlines() if line.startswith("request_errors_total") and "trace_id" in line)
    trace_id = line.partition('trace_id="')[2][:32]
    engine = sa.create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        query = sa.text("SELECT level, message, user_id FROM logs WHERE trace_id = :trace")
        ((level, message, user),) = connection.execute(query, {"trace": trace_id})
    engine.dispose()
    return f"behind the last error: {level} {message!r} of {user}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", action="store_true", help="print the page")
    main(page=parser.parse_args().page)
