# The managed variant: the collector as an ECS task, its secrets in the Parameter Store, the rest in Grafana Cloud.
# An example to begin with: it is parsed in the tests, and has been applied to nobody's account by us.

terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

provider "aws" {
  region = var.aws_region
}

locals {
  prefix = "/${var.project}/${var.environment}/monitoring"
}

resource "aws_ssm_parameter" "grafana_cloud_api_key" {
  name  = "${local.prefix}/grafana-cloud-api-key"
  type  = "SecureString"
  value = var.grafana_cloud_api_key
}

resource "aws_ssm_parameter" "grafana_cloud_config" {
  name  = "${local.prefix}/grafana-cloud-config"
  type  = "String"
  value = jsonencode(var.grafana_cloud)
}

resource "aws_ssm_parameter" "collector_config" {
  name  = "${local.prefix}/otel-collector"
  type  = "String"
  tier  = "Advanced" # more than 4 KB
  value = file("${path.module}/../otel-collector.yml")
}

resource "aws_ssm_parameter" "collector_cloud_config" {
  name  = "${local.prefix}/otel-collector-cloud"
  type  = "String"
  tier  = "Advanced"
  value = file("${path.module}/../otel-collector.cloud.yml")
}

resource "aws_cloudwatch_log_group" "collector" {
  name              = "/ecs/${var.project}-${var.environment}/otel-collector"
  retention_in_days = 30
}

resource "aws_ecs_task_definition" "otel_collector" {
  family                   = "${var.project}-otel-collector-${var.environment}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 1024
  execution_role_arn       = var.execution_role_arn

  container_definitions = jsonencode([
    {
      name      = "otel-collector"
      image     = "otel/opentelemetry-collector-contrib:0.135.0"
      essential = true
      command = [
        "--config=env:COLLECTOR_CONFIG",
        "--config=env:COLLECTOR_CLOUD_CONFIG",
        "--config=yaml:exporters::otlp/jaeger::endpoint: ${var.traces_endpoint}",
        "--config=yaml:service::pipelines::logs::exporters: [otlphttp/grafana-cloud-loki]", # no Loki of our own there
      ]
      portMappings = [
        { containerPort = 4317 },
        { containerPort = 4318 },
      ]
      environment = [
        { name = "ENVIRONMENT", value = var.environment },
        { name = "PROJECT", value = var.project },
        { name = "GRAFANA_CLOUD_PROMETHEUS_URL", value = var.grafana_cloud.prometheus_url },
        { name = "GRAFANA_CLOUD_PROMETHEUS_USER", value = var.grafana_cloud.prometheus_user },
        { name = "GRAFANA_CLOUD_LOKI_URL", value = var.grafana_cloud.loki_url },
        { name = "GRAFANA_CLOUD_LOKI_USER", value = var.grafana_cloud.loki_user },
      ]
      secrets = [
        { name = "GRAFANA_CLOUD_API_KEY", valueFrom = aws_ssm_parameter.grafana_cloud_api_key.arn },
        { name = "COLLECTOR_CONFIG", valueFrom = aws_ssm_parameter.collector_config.arn },
        { name = "COLLECTOR_CLOUD_CONFIG", valueFrom = aws_ssm_parameter.collector_cloud_config.arn },
      ]
      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.collector.name
          awslogs-region        = var.aws_region
          awslogs-stream-prefix = "otel"
        }
      }
    },
  ])

  tags = {
    environment = var.environment
    project     = var.project
  }
}
