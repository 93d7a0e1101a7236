"""Each example is run as its docstring says, with warnings as errors; what it prints is what it promises."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = sorted(
    path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*.py") if "__main__" in path.read_text()
)


def run(program: str, *arguments: str) -> str:
    """What the example prints."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / program), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    return result.stdout


def check_web_service(printed: str) -> None:
    """Own, uvicorn's and SQLAlchemy's records are there, those of requests with their trace, none lost."""
    assert "100 requests, 2 failed as they should" in printed
    counts = {name: int(count) for count, name in re.findall(r"^ +(\d+)  ([\w.]+)$", printed, re.MULTILINE)}
    assert counts["shop"] == 102
    assert counts["uvicorn.access"] == counts["dblog.access"] == 100
    assert counts["sqlalchemy.engine.Engine"] == 400
    assert counts["uvicorn.error"] >= 4
    assert "records of requests without a trace: 0" in printed
    (totals,) = re.findall(
        r"^emitted (\d+)  stored (\d+)  dblog's own, not stored (\d+)  lost 0$", printed, re.MULTILINE
    )
    emitted, stored, own = map(int, totals)
    assert emitted == stored + own
    assert stored == sum(counts.values()) - counts.get("dblog.loss", 0)
    trace = printed.partition("one failed request:\n")[2]
    (number,) = re.findall(r"order (49|99) received", trace)  # whichever of the two the crowd sent first
    for part in (
        "INSERT INTO orders",
        f"ERROR    order {number} cannot be paid",
        f'"POST /orders/{number} ',
        "ERROR    POST /orders/{number:int} 502",
    ):
        assert part in trace


def test_web_service_on_sqlite() -> None:
    """The records of the service, of uvicorn and of SQLAlchemy are all in an SQLite file."""
    check_web_service(run("web_service.py", "--requests", "100"))


def test_web_service_on_postgres(empty_postgres_url: str) -> None:
    """So too in a PostgreSQL database that was empty before."""
    check_web_service(run("web_service.py", "--requests", "100", "--url", empty_postgres_url))


@pytest.mark.parametrize("file", sorted(path.name for path in (EXAMPLES / "configuration").iterdir()))
def test_configuration_in_a_file(file: str, empty_sqlite_url: str) -> None:
    """fileConfig and dictConfig give the same handler: level, service and redaction included."""
    import sqlalchemy as sa

    assert run("config_file.py", f"configuration/{file}", "--url", empty_sqlite_url).endswith("emitted 1  stored 1\n")
    engine = sa.create_engine(empty_sqlite_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        ((message, service, metadata),) = connection.execute(sa.text("SELECT message, service, metadata FROM logs"))
    assert (message, service) == ("login of Ada failed", "shop")
    assert '"password":"[REDACTED]"' in metadata.replace(" ", "")
    assert "hunter2" not in metadata


def test_late_attach() -> None:
    """What was logged before the database was known comes first."""
    printed = run("late_attach.py").splitlines()
    assert printed[:2] == ["imported, before anybody knows a database", "settings read: ['url']"]
    assert printed[-1] == "made"


def test_asyncio_worker() -> None:
    """Four jobs at once, each with one trace and its own worker on all of its records."""
    printed = run("asyncio_worker.py")
    assert [printed.count(f"job-{job}: ") for job in range(4)] == [1] * 4
    assert re.findall(r"^job-(\d): \d records, 1 trace, worker-\1$", printed, re.MULTILINE) == list("0123")


def check_jobs(printed: str, *steps: str) -> None:
    """Two traces, each with its request first and the jobs it sent after it, and nothing of the other's."""
    traces = printed.split("trace ")[1:]
    for order, trace in zip((7, 8), traces, strict=True):
        trace_id, *lines = trace.splitlines()
        assert re.fullmatch("[0-9a-f]{32}", trace_id)
        told = [re.sub(r" \(task [0-9a-f-]{36}\)$", " (task)", line.strip()) for line in lines]
        assert told == [step.format(order) for step in ("order {} paid", *steps)]


def test_background_jobs_with_celery() -> None:
    """A worker's records are in the trace of the request that sent the job, and so are those of a job's job."""
    invoice = "sending the invoice of order {} for north (task)"
    check_jobs(run("background_jobs_celery.py"), invoice, "archiving order {} (task)")


def test_background_jobs_with_rq() -> None:
    """So are those of an RQ worker."""
    check_jobs(run("background_jobs_rq.py"), "sending the invoice of order {} for north (task)")


def test_own_alembic() -> None:
    """Two version tables, no difference for autogenerate, and dblog leaves without a trace."""
    printed = run("own_alembic/main.py")
    assert "No new upgrade operations detected." in printed
    assert (
        "tables: alembic_version dblog_version log_dead_letters log_instances log_rollup log_rollup_state logs orders"
        in printed
    )
    assert printed.endswith("without dblog: alembic_version orders\n")


def test_own_alembic_on_postgres(empty_postgres_url: str) -> None:
    """Partitions and the function are hidden too."""
    printed = run("own_alembic/main.py", "--url", empty_postgres_url)
    assert "No new upgrade operations detected." in printed
    assert printed.endswith("without dblog: alembic_version orders\n")


def check_story(printed: str) -> None:
    """The failing request is told in order: into the three services, the exception where it happened, and out again."""
    assert re.findall(r"^order (\d): (\d+)$", printed, re.MULTILINE) == [
        ("1", "200"),
        ("2", "200"),
        ("3", "502"),
        ("4", "200"),
    ]
    (tracking_id,) = re.findall(r"^\$ dblog trace ([0-9a-f]{32})$", printed, re.MULTILINE)
    story = printed.partition(f"\ntrace {tracking_id}\n")[2]
    assert story.startswith("gateway  orders  worker\n")
    places = [
        story.index(part)
        for part in (
            "INFO  checkout of order 3",
            "INFO  order 3 accepted",
            "INFO  shipping order 3",
            "ERROR order 3 cannot be shipped  ConnectionError: the carrier does not answer",
            "ERROR POST /orders/<int:number> 503",
            "WARN  order 3 was not accepted: 503",
            "ERROR POST /checkout/{number:int} 502",
        )
    ]
    assert places == sorted(places)
    assert "7 entries  3 errors" in story
    assert not re.search("order [124]", story)


def test_three_services_on_sqlite() -> None:
    """The id a customer was given tells the whole story of the request, across all three services."""
    check_story(run("three_services.py"))


def test_three_services_on_postgres(empty_postgres_url: str) -> None:
    """So too in a PostgreSQL database."""
    check_story(run("three_services.py", "--url", empty_postgres_url))


PLATFORM = """
iac_workspace_tasks_total iac_workspace_task_duration_seconds iac_workspace_drift_detected_total
iac_agent_connections iac_agent_tasks_dispatched_total iac_agent_tasks_completed_total
iac_ai_call_duration_ms iac_ai_call_total iac_vector_search_duration_ms iac_vector_search_total
iac_active_parallel_tasks iac_ai_tokens_total iac_auth_logins_total iac_auth_tokens_issued_total
iac_http_requests_total iac_http_request_duration_seconds iac_http_requests_in_flight
iac_http_request_size_bytes iac_http_response_size_bytes
iac_db_queries_total iac_db_query_duration_seconds
iac_db_connections_open iac_db_connections_max iac_db_connections_waiting
"""
API = """
request_count_total request_duration_seconds request_errors_total active_requests
ai_requests_total ai_tokens_total ai_cost_total
api_key_usage_total endpoint_usage_total user_activity_total workflow_success_rate
"""


def test_business_metrics() -> None:
    """Each metric of a platform's and an API's tables has samples on the page, under bounded labels, with a trace."""
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as read

    families = list(read(run("business_metrics.py", "--page")))  # type: ignore[no-untyped-call]  # the client's is not annotated
    found = {family.name + "_total" * (family.type == "counter"): family for family in families if family.samples}
    assert set(PLATFORM.split()) | set(API.split()) <= set(found)
    labels = {name for family in families for sample in family.samples for name in sample.labels}
    assert not labels & {"tracking_id", "user_id", "session_id", "api_key_id"}
    traces = [sample.exemplar for sample in found["ai_tokens_total"].samples if sample.exemplar]
    assert traces
    assert all(len(exemplar.labels["trace_id"]) == 32 for exemplar in traces)
    printed = run("business_metrics.py")
    assert 'label_values_refused_total{label="client_name",metric="api_key_usage_total"}' in printed
    assert re.search(r"^behind the last error: ERROR '/api/v\S+ for \w+' of u-\d+$", printed, re.MULTILINE)


def test_every_example_is_run_here_and_says_how() -> None:
    """A program without a test, or a docstring without its command line, is found."""
    source = Path(__file__).read_text()
    for program in PROGRAMS:
        assert f'run("{program}"' in source
        assert f"python examples/{program}" in (EXAMPLES / program).read_text().split('"""')[1]
